package option

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// A Doc is an option as its source describes it.
type Doc struct {
	Name    string // with the names of its sections: "seek.since"
	Aliases []string
	Type    string // in a reader's words: text, list, duration, size …
	Default string // as YAML; empty means none
	Text    string // the field's comment

	Required bool // it must be given
}

// Describe reads the options of struct typ from the Go source in folder dir, in the order they
// stand there. Structs it embeds may be those of other folders of the same module.
func Describe(dir, typ string) ([]Doc, error) {
	src, err := read(dir)
	if err != nil {
		return nil, err
	}
	if src.structs[typ] == nil {
		return nil, fmt.Errorf("cannot describe options: no struct %s in %s", typ, dir)
	}
	return src.describe(typ, "")
}

// A source is a folder's Go code.
type source struct {
	structs map[string]*ast.StructType
	folders map[string]string // of packages of the module, by the names they are imported under
}

func read(dir string) (*source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	root, module := moduleOf(dir)
	src := &source{map[string]*ast.StructType{}, map[string]string{}}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("cannot describe options: %w", err)
		}
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if below, ours := strings.CutPrefix(path, module+"/"); ours && i.Name == nil {
				src.folders[filepath.Base(path)] = filepath.Join(root, below)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					src.structs[spec.Name.Name] = s
				}
			}
			return true
		})
	}
	return src, nil
}

// moduleOf returns the folder and the path of the module that dir belongs to; without one nothing
// begins with the path it returns.
func moduleOf(dir string) (root, path string) {
	dir, err := filepath.Abs(dir)
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil {
			if m := moduleLine.FindSubmatch(text); m != nil {
				return dir, string(m[1])
			}
		}
	}
	return "", "/"
}

var moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

// find returns the source with the struct that a field's type names, and its name there.
func (src *source) find(kind string) (*source, string, error) {
	if folder, name, ok := strings.Cut(kind, "."); ok && src.folders[folder] != "" {
		there, err := read(src.folders[folder])
		return there, name, err
	}
	return src, kind, nil
}

func (src *source) describe(typ, prefix string) ([]Doc, error) {
	var docs []Doc
	for _, f := range src.structs[typ].Fields.List {
		if f.Tag == nil {
			continue
		}
		raw, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, fmt.Errorf("cannot read tag %s of %s: %w", f.Tag.Value, typ, err)
		}
		tag := reflect.StructTag(raw)
		name, kind := tag.Get("config"), typeName(f.Type)
		if name == "" || name == "-" {
			continue
		}
		there, inner, err := src.find(kind)
		if err != nil {
			return nil, err
		}
		if name == ",inline" {
			if there.structs[inner] == nil {
				return nil, fmt.Errorf("cannot describe options: %s embeds %s, which is not to be found", typ, kind)
			}
			sub, err := there.describe(inner, prefix)
			if err != nil {
				return nil, err
			}
			docs = append(docs, sub...)
			continue
		}
		text := strings.Join(strings.Fields(f.Doc.Text()), " ")
		if text == "" {
			return nil, fmt.Errorf("option %s%s of %s in Go has no comment", prefix, name, typ)
		}
		d := Doc{Name: prefix + name, Type: kind, Default: tag.Get("default"), Text: text, Required: tag.Get("required") == "true"}
		if a := tag.Get("alias"); a != "" {
			d.Aliases = strings.Split(a, ",")
		}
		if words, ok := typeWords[kind]; ok {
			d.Type = words
		}
		var sub []Doc
		if there.structs[inner] != nil {
			if sub, err = there.describe(inner, prefix+name+"."); err != nil {
				return nil, err
			}
		}
		switch {
		case len(sub) > 0:
			d.Type = "section"
		case kind == "bool" && d.Default == "":
			d.Default = "false"
		}
		docs = append(append(docs, d), sub...)
	}
	return docs, nil
}

var typeWords = map[string]string{
	"string": "text", "[]string": "list", "bool": "yes/no", "int": "number", "int64": "number", "uint": "number",
	"uint64": "number", "float64": "number", "time.Duration": "duration", "option.Bytes": "size", "Bytes": "size",
	"map[string]string": "map", "map[string]any": "map", "[]Regexp": "list of regular expressions",
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.MapType:
		return "map[" + typeName(e.Key) + "]" + typeName(e.Value)
	}
	return "value"
}

// Markdown returns docs as a table.
func Markdown(docs []Doc) string {
	var b strings.Builder
	b.WriteString("| option | default | meaning |\n| --- | --- | --- |\n")
	for _, d := range docs {
		name := "`" + d.Name + "`"
		for _, a := range d.Aliases {
			name += ", `" + a + "`"
		}
		def := ""
		if d.Default != "" {
			def = "`" + d.Default + "`"
		}
		if d.Required {
			def = "required"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.ReplaceAll(def, "|", `\|`), strings.ReplaceAll(d.Text, "|", `\|`))
	}
	return b.String()
}

// YAML returns docs as commented-out lines of a reference configuration, indented by indent.
func YAML(docs []Doc, indent string) string {
	var b strings.Builder
	for _, d := range docs {
		depth := indent + strings.Repeat("  ", strings.Count(d.Name, "."))
		name := d.Name[strings.LastIndexByte(d.Name, '.')+1:]
		b.WriteByte('\n')
		for _, line := range wrap(d.Text, 96-len(depth)) {
			fmt.Fprintf(&b, "%s# %s\n", depth, line)
		}
		if d.Type == "section" {
			fmt.Fprintf(&b, "%s#%s:\n", depth, name)
			continue
		}
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%s#%s: %s", depth, name, d.Default), " "))
	}
	return b.String()
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+w, " ")
	}
	return append(lines, line)
}

var marker = regexp.MustCompile(`(?s)(<!-- options: (\w+)(?: of (\S+))? -->\n).*?(<!-- /options -->)`)

// Fill returns the text of file with a fresh table between each pair of
//
//	<!-- options: TYPE -->        or   <!-- options: TYPE of FOLDER -->
//	<!-- /options -->
//
// where TYPE is a struct in the file's own folder, or in FOLDER below it.
func Fill(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var failed error
	out := marker.ReplaceAllStringFunc(string(text), func(m string) string {
		p := marker.FindStringSubmatch(m)
		docs, err := Describe(filepath.Join(filepath.Dir(file), p[3]), p[2])
		if err != nil {
			failed = fmt.Errorf("%s: %w", file, err)
			return m
		}
		return p[1] + Markdown(docs) + p[4]
	})
	return out, failed
}
