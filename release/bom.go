package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// describe writes beside the programs the bill of materials of each, NAME.cdx.json, and LICENSES.txt: the licences and
// notices of every module that is linked into any of them.
func (r *release) describe(ctx context.Context, p platform, bin string, programs []string) error {
	linked := map[string]*debug.Module{}
	for _, name := range programs {
		file := filepath.Join(bin, name)
		if p.os == "windows" {
			file += ".exe"
		}
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot read what %s was built of: %w", file, err)
		}
		var modules []*debug.Module
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			modules = append(modules, m)
			linked[m.Path+"@"+m.Version] = m
		}
		sum, _, err := checksum(file)
		if err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(bin, name+".cdx.json"))
		if err != nil {
			return err
		}
		err = cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(r.bom(name, info.GoVersion, fmt.Sprintf("%x", sum), modules))
		if err := f.Close(); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("cannot write the bill of materials of %s: %w", name, err)
		}
	}
	return licences(ctx, linked, filepath.Join(bin, "LICENSES.txt"))
}

// bom is the bill of materials of a program: the Go toolchain with its library, and the modules.
func (r *release) bom(name, goVersion, sum string, modules []*debug.Module) *cyclonedx.BOM {
	self := cyclonedx.Component{
		BOMRef: name, Type: cyclonedx.ComponentTypeApplication, Name: name, Version: r.version,
		PackageURL: fmt.Sprintf("pkg:golang/github.com/podbeat/podbeat/cmd/%s@%s", name, r.version),
		Hashes:     &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sum}},
		Licenses:   &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
	}
	version := strings.TrimPrefix(goVersion, "go")
	parts := []cyclonedx.Component{{
		BOMRef: "std", Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: version, PackageURL: "pkg:golang/std@" + version,
	}}
	needs := []string{"std"}
	for _, m := range modules {
		url := "pkg:golang/" + m.Path + "@" + m.Version
		needs = append(needs, url)
		parts = append(parts, cyclonedx.Component{BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url})
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &self}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: name, Dependencies: &needs}}
	return bom
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-.].*)?$`)

// licences gathers the texts of modules that are linked into a program. Their licences ask for that.
func licences(ctx context.Context, modules map[string]*debug.Module, into string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", "all")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("cannot list the modules: %w", err)
	}
	dirs := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		type module struct {
			Path, Version, Dir string
			Replace            *module
		}
		var m module
		if err := dec.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("cannot read the list of modules: %w", err)
		}
		if m.Replace != nil {
			m = *m.Replace
		}
		dirs[m.Path+"@"+m.Version] = m.Dir
	}
	var names []string
	for name := range modules {
		names = append(names, name)
	}
	slices.Sort(names)
	var text bytes.Buffer
	for _, name := range names {
		entries, err := os.ReadDir(dirs[name])
		if err != nil || dirs[name] == "" {
			return fmt.Errorf("cannot find the licence of %s: its folder %q is not there: %w", name, dirs[name], err)
		}
		found := false
		for _, e := range entries {
			if !licenceFile.MatchString(e.Name()) || e.IsDir() {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dirs[name], e.Name()))
			if err != nil {
				return err
			}
			found = true
			fmt.Fprintf(&text, "%s\n%s, %s\n\n%s\n\n", strings.Repeat("-", 100), name, e.Name(), bytes.TrimSpace(b))
		}
		if !found {
			return fmt.Errorf("%s has no licence in its folder: it must not be linked into what is given away", name)
		}
	}
	return os.WriteFile(into, text.Bytes(), 0o644)
}
