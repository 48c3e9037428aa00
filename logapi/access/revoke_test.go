package access

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRevoke(t *testing.T) {
	const before = "users:\n  - id: 1\n    email: a@b\n    access:\n"
	f := func(granted, methods, urls, want string) {
		t.Helper()
		path := usersFile(t, before+granted)
		err := Revoke(path, "A@b", strings.Split(methods, ","), strings.Fields(urls))
		if err != nil {
			t.Errorf("%s of %s: %v", methods, urls, err)
		}
		if want != "" {
			want = before + want
		} else {
			want = strings.TrimSuffix(before, "    access:\n")
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("%s of %s: got\n%s\nwant\n%s", methods, urls, got, want)
		}
	}
	f("      - method: [GET]\n        url: [/a]\n", "GET", "/a", "")
	f("      - method: [GET, POST]\n        url: [/a]\n", "*", "/a", "")
	f("      - method: ['*']\n        url: [/a]\n", "*", "/a", "")
	f("      - method: [GET, POST] # both\n        url: [/a]\n", "GET", "/a", "      - method: [POST] # both\n        url: [/a]\n")
	f("      - method: [GET, POST]\n        url: [/a, /b]\n", "GET,POST", "/a", "      - method: [GET, POST]\n        url: [/b]\n")
	f("      # as agreed\n      - method: [GET, POST]\n        url: [/a, /b]\n        other: {indices: [x]}\n", "GET", "/a",
		"      # as agreed\n      - method: [GET, POST]\n        url: [/b]\n        other: {indices: [x]}\n      - method: [POST]\n        url: [/a]\n        other: {indices: [x]}\n")
	f("      - method: [GET]\n        url: [/a]\n      - method: [GET]\n        url: [/a]\n        other: {indices: [x]}\n      - method: [GET]\n        url: [/b]\n",
		"GET", "/a", "      - method: [GET]\n        url: [/b]\n")
	f("      - method: [GET]\n        url: [/a, /b]\n", "GET", "/a /b", "")
	f("      - method: [GET]\n        url: ['[mscp_api_url]/*/es/**', /b]\n", "GET", "{mscp_api_url}/{region}/es/**", "      - method: [GET]\n        url: [/b]\n")
	f("      - method: [GET]\n        url: [/a/**]\n      - method: [GET]\n        url: [/a/b]\n", "GET", "/a/b", "      - method: [GET]\n        url: [/a/**]\n")

	bad := func(granted, methods, urls, want string) {
		t.Helper()
		path := usersFile(t, before+granted)
		err := Revoke(path, "a@b", strings.Split(methods, ","), strings.Fields(urls))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s of %s: got error %v, want %q", methods, urls, err, want)
		}
		if got, _ := os.ReadFile(path); string(got) != before+granted {
			t.Errorf("%s of %s: the file is changed:\n%s", methods, urls, got)
		}
	}
	one := "      - method: [GET]\n        url: [/a/**]\n"
	bad(one, "GET", "/a/b", "no grant names the URL")
	bad(one, "POST", "/a/**", "no grant opens \"/a/**\" to POST")
	bad(one, "GET", "/a/** /b", "no grant names the URL \"/b\"")
	bad(one, "get", "/a/**", "cannot revoke: cannot use method")
	bad(one, "GET", "a", "cannot revoke: cannot use URL")
	bad("      - method: ['*']\n        url: [/a]\n", "GET", "/a", "is for any method")
	bad("      []\n", "GET", "/a", "no grant names the URL")
}

func TestFindAndDelete(t *testing.T) {
	path := usersFile(t, "users:\n- {id: 1, email: a@b}\n# the second\n- {id: 2, email: C@d}\n")
	if u, err := Find(path, "c@D"); err != nil || u.ID != "2" || u.Email != "C@d" {
		t.Errorf("got %+v and error %v", u, err)
	}
	if _, err := Find(path, "x@y"); !errors.Is(err, ErrNoUser) {
		t.Errorf("got error %v", err)
	}
	if _, err := Find(path, "x"); err == nil || errors.Is(err, ErrNoUser) {
		t.Errorf("got error %v", err)
	}
	if _, err := Find(filepath.Join(t.TempDir(), "none"), "a@b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
	if err := Delete(path, "x@y"); !errors.Is(err, ErrNoUser) {
		t.Errorf("got error %v", err)
	}
	if err := Delete(path, "c@d"); err != nil {
		t.Error(err)
	}
	if users, err := List(path); err != nil || len(users) != 1 || users[0].ID != "1" {
		t.Errorf("got %+v and error %v", users, err)
	}
	if err := Delete(path, "a@b"); err != nil {
		t.Error(err)
	}
	if users, err := List(path); err != nil || len(users) != 0 {
		t.Errorf("got %+v and error %v", users, err)
	}
}
