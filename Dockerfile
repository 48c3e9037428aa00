# Images of podbeat's programs. They hold a program and the certificates that it trusts; no library, no shell.
#
#   docker build --target podbeat --tag podbeat/podbeat:0.1.0 .
#   docker build --target curator --tag podbeat/curator:0.1.0 .
#   docker build --target logapi  --tag podbeat/logapi:0.1.0  .
#   docker build --target logtui  --tag podbeat/logtui:0.1.0  .
#
# buildah and podman build them too. GO may name any Debian with Go 1.26 in /usr/local/go.
ARG GO=docker.io/library/golang:1.26-bookworm

FROM ${GO} AS build
ARG COMMIT=
# For networks with a module proxy of their own; without them Go has its defaults.
ARG GOPROXY
ARG GOSUMDB
ARG GONOSUMDB
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN dpkg -s ca-certificates >/dev/null 2>&1 || \
    { apt-get update && apt-get install --yes --no-install-recommends ca-certificates; }
WORKDIR /src
COPY . .
RUN sh _meta/docker/build.sh /out "${COMMIT}"

FROM scratch AS curator
COPY --from=build /out/base /
COPY --from=build /out/curator /
USER 65532:65532
ENTRYPOINT ["/usr/bin/curator"]

FROM scratch AS logapi
COPY --from=build /out/base /
COPY --from=build /out/logapi /
USER 65532:65532
EXPOSE 9200 9280
ENTRYPOINT ["/usr/bin/logapi"]
CMD ["--config", "/etc/podbeat/logapi.yml"]

FROM scratch AS logtui
COPY --from=build /out/base /
COPY --from=build /out/logtui /
ENV TERM=xterm-256color
USER 65532:65532
ENTRYPOINT ["/usr/bin/logtui"]

# The last one is what `docker build .` makes.
FROM scratch AS podbeat
COPY --from=build /out/base /
COPY --from=build /out/podbeat /
USER 65532:65532
EXPOSE 5066 8085
ENTRYPOINT ["/usr/bin/podbeat"]
CMD ["run", "-e", "-c", "/etc/podbeat/podbeat.yml", "--path.config", "/etc/podbeat", "--path.data", "/var/lib/podbeat", "--path.logs", "/var/lib/podbeat/logs"]
