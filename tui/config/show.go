package config

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Options are the options of the context that say something, in the order of the struct, as text for people: names and values. Secrets
// are hidden: those in URLs, in headers and in the arguments of the token command, too.
func (c *Context) Options() [][2]string {
	var out [][2]string
	add := func(name, value string) {
		if value != "" {
			out = append(out, [2]string{name, value})
		}
	}
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("config")
		switch name {
		case "-":
		case "hosts":
			var hosts []string
			for _, host := range c.Hosts {
				hosts = append(hosts, bare(host))
			}
			add(name, strings.Join(hosts, " "))
		case "kibana":
			add(name, bare(c.Kibana))
		case "token_command":
			if len(c.TokenCommand) > 1 {
				add(name, filepath.Base(c.TokenCommand[0])+" •••")
			} else {
				add(name, strings.Join(c.TokenCommand, ""))
			}
		case "headers":
			for _, header := range slices.Sorted(maps.Keys(c.Headers)) {
				add("headers."+header, "•••")
			}
		case "fields":
			fields := v.Field(i)
			for j := range fields.NumField() {
				add("fields."+fields.Type().Field(j).Tag.Get("config"), shown(fields.Field(j).Interface()))
			}
		default:
			add(name, shown(v.Field(i).Interface()))
		}
	}
	return out
}

// shown is a value as text, "" if it says nothing.
func shown(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, " ")
	case bool:
		if !v {
			return ""
		}
	}
	return fmt.Sprint(value)
}

// bare is a URL without the user and password that may be in it.
func bare(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		u.User = nil
		return u.String()
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "…" + address[at:]
	}
	return address
}

// HasSecret says whether the configuration itself has a secret of the context, instead of naming where it is.
func (c *Context) HasSecret() bool {
	inURL := slices.ContainsFunc(c.Hosts, func(host string) bool { return strings.Contains(host, "@") })
	return c.Password != "" || c.APIKey != "" || c.Bearer != "" || len(c.Headers) > 0 || inURL
}
