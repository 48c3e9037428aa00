#!/bin/sh
# Builds what the images hold: FOLDER/base is in all of them, FOLDER/<program> in the one of that program.
#   build.sh FOLDER [COMMIT]
set -eu
out=$1
version=github.com/elastic/beats/v7/libbeat/version
flags="-s -w -buildid= -X $version.commit=${2:-}"

base=$out/base
mkdir -p "$base/etc/ssl/certs" "$base/tmp"
cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/"
echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' >"$base/etc/passwd"
echo 'nonroot:x:65532:' >"$base/etc/group"
chmod 1777 "$base/tmp"

for program in curator logapi logtui podbeat; do
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags netgo,osusergo -ldflags "$flags" -o "$out/$program/usr/bin/$program" "./cmd/$program"
done
mkdir -p "$out/podbeat/var/lib/podbeat" "$out/podbeat/etc/podbeat"
