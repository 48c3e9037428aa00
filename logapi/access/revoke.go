package access

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/token"
)

// Revoke takes these methods of these URLs from what is granted to the user with this e-mail address, whatever it is narrowed to; the method
// * is all of them. A URL is one that a grant names, in any spelling that means the same, and not what lies inside of one: of /a/**
// nothing can be taken but all of it. With an error nothing was taken. Access tokens hold until they expire.
func Revoke(path, email string, methods, urls []string) error {
	for _, url := range urls {
		if err := CheckGrant(token.Access{Method: methods, URL: []string{url}}); err != nil {
			return fmt.Errorf("cannot revoke: %w", err)
		}
	}
	return editUser(path, email, func(_, user *yaml.Node) error {
		list := get(user, "access")
		if list == nil {
			return fmt.Errorf("nothing is granted to %s", clip(email))
		}
		for _, url := range urls {
			if err := revoke(list, methods, url); err != nil {
				return err
			}
		}
		if len(list.Content) == 0 {
			unset(user, "access")
		}
		return nil
	})
}

// revoke takes methods of one URL out of a list of grants.
func revoke(list *yaml.Node, methods []string, url string) error {
	var kept []*yaml.Node
	var named [][]string // the methods of the grants that name url
	found := false
	for _, entry := range list.Content {
		all, these, others := values(get(entry, "method")), []string(nil), []string(nil)
		for _, u := range values(get(entry, "url")) {
			if sameURL(u, url) {
				these = append(these, u)
			} else {
				others = append(others, u)
			}
		}
		stay := without(all, methods)
		if len(these) > 0 {
			named = append(named, all)
		}
		if len(these) == 0 || len(stay) == len(all) {
			kept = append(kept, entry)
			continue
		}
		found = true
		if len(others) > 0 {
			rest := *entry // with its comments
			rest.Content = slices.Clone(entry.Content)
			put(&rest, "url", others)
			kept = append(kept, &rest)
		}
		if len(stay) > 0 {
			less := *entry
			less.Content = slices.Clone(entry.Content)
			put(&less, "url", these)
			put(&less, "method", stay)
			if len(others) > 0 {
				less.HeadComment, less.LineComment, less.FootComment = "", "", ""
			}
			kept = append(kept, &less)
		}
	}
	switch {
	case found:
		list.Content = kept
		return nil
	case len(named) == 0:
		return fmt.Errorf("no grant names the URL %q: `logapi user list` shows what is granted", clip(url))
	case slices.ContainsFunc(named, func(all []string) bool { return slices.Contains(all, "*") }):
		return fmt.Errorf("the grant of %q is for any method: revoke * and grant those that are to stay", clip(url))
	}
	return fmt.Errorf("no grant opens %q to %s: `logapi user list` shows what is granted", clip(url), clip(strings.Join(methods, ",")))
}

// without are those of all that are not in taken, in which * is any.
func without(all, taken []string) []string {
	var stay []string
	for _, method := range all {
		if !slices.Contains(taken, "*") && !slices.Contains(taken, method) {
			stay = append(stay, method)
		}
	}
	return stay
}

// sameURL says whether two URLs of grants stand for the same, wherever the API is.
func sameURL(a, b string) bool {
	covers := func(granted, wanted string) bool {
		of := func(url string) []token.Access { return []token.Access{{Method: []string{"*"}, URL: []string{url}}} }
		return Covers(token.Base{}, of(granted), of(wanted)) != nil
	}
	return covers(a, b) && covers(b, a)
}

// values are the texts of a list, which parseUsers has read.
func values(list *yaml.Node) []string {
	texts := make([]string, len(list.Content))
	for i, node := range list.Content {
		texts[i] = node.Value
	}
	return texts
}

// put makes a member of a mapping the list of those of its texts that are named. The list that was there is not changed.
func put(mapping *yaml.Node, name string, texts []string) {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			list := *mapping.Content[i+1]
			list.Content = slices.DeleteFunc(slices.Clone(list.Content), func(n *yaml.Node) bool { return !slices.Contains(texts, n.Value) })
			mapping.Content[i+1] = &list
		}
	}
}

func unset(mapping *yaml.Node, name string) {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}
