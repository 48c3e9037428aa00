package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// shipped is what an archive has beside the programs and their bills of materials: where it is in the sources, and in the
// archive. A folder goes with all that is in it.
var shipped = []struct{ from, to string }{
	{"LICENSE", "LICENSE"}, {"NOTICE", "NOTICE"}, {"README.md", "README.md"}, {"CHANGELOG.md", "CHANGELOG.md"},
	{"_meta/beat.yml", "podbeat.yml"}, {"_meta/beat.reference.yml", "podbeat.reference.yml"}, {"_meta/cases.yml", "cases.yml"},
	{"_meta/systemd", "systemd"}, {"_meta/k8s", "k8s"}, {"_meta/helm", "helm"}, {"_meta/grafana", "grafana"}, {"_meta/prometheus", "prometheus"},
}

// archive writes the archive of a platform. On the platforms without podbeat it has the programs, licences and README only.
func (r *release) archive(p platform, bin string, programs []string) error {
	name := fmt.Sprintf("podbeat-%s-%s", r.version, p)
	var buf bytes.Buffer
	zip, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := &tarball{Writer: tar.NewWriter(zip), release: r, root: name}
	err = fs.WalkDir(os.DirFS(bin), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		mode := int64(0o755)
		if strings.Contains(file, ".cdx.") || strings.HasSuffix(file, ".txt") {
			mode = 0o644
		}
		return t.add(filepath.Join(bin, file), file, mode)
	})
	if err != nil {
		return err
	}
	for _, s := range shipped {
		if len(programs) == len(portable) && strings.HasPrefix(s.from, "_meta/") {
			continue
		}
		err := filepath.WalkDir(s.from, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return t.add(file, path.Join(s.to, strings.TrimPrefix(filepath.ToSlash(file), s.from)), 0o644)
		})
		if err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, name+".tar.gz"), buf.Bytes(), 0o644)
}

// A tarball is a tar file whose bytes depend on the content of its files alone.
type tarball struct {
	*tar.Writer
	release *release
	root    string
}

func (t *tarball) add(file, name string, mode int64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	err = t.WriteHeader(&tar.Header{
		Name: path.Join(t.root, name), Mode: mode, Size: int64(len(text)), ModTime: t.release.time, Uname: "root", Gname: "root", Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	_, err = t.Write(text)
	return err
}
