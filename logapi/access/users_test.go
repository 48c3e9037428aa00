package access

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/token"
)

// quick hashes with the least that is accepted, so that tests do not take long.
func quick(password string) hash {
	h := hash{memory: minMemory, passes: 1, lanes: 1, salt: []byte("saltsalt"), sum: make([]byte, 16)}
	h.sum = h.of(password)
	return h
}

func usersFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.yml")
	write(t, path, content)
	return path
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParseUsers(t *testing.T) {
	h := quick("correct horse")
	f := func(content string, want ...User) {
		t.Helper()
		got, err := parseUsers([]byte(content))
		if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v and error %v, want %+v", content, got, err, want)
		}
	}
	f("users: []")
	f("# nobody yet\nusers: []\n")
	f("users:\n- {id: 1, email: a@b}", User{ID: "1", Email: "a@b", key: "a@b"})
	f("users:\n- {id: 0x10, email: A@B.C}", User{ID: "0x10", Email: "A@B.C", key: "a@b.c"})
	f("---\nusers:\n- {id: 1, email: a@b}\n...\n", User{ID: "1", Email: "a@b", key: "a@b"})
	f(`users:
  - id: "12203"
    email: user@example.com
    password: `+h.encode()+`
    role: [cloud, tenant, yes]
    disabled: true
    valid_from: 2018-01-24T11:13:39Z
    access:
      - method: [GET, POST]
        url: ["{mscp_api_url}/*/es/**", /a]
        other: {namespaces: [shop-*, 12], indices: [logstash-*], apps: ["*"]}
      - {method: ["*"], url: ["[mscp_api_url]/system/log"], other: {namespace: shop, region: cn-1, zone: a}}
      - {method: [GET], url: [/b], other: {}}
`, User{ID: "12203", Email: "user@example.com", key: "user@example.com", Role: []string{"cloud", "tenant", "yes"}, Disabled: true,
		ValidFrom: time.Date(2018, 1, 24, 11, 13, 39, 0, time.UTC), password: &h,
		Access: []token.Access{
			{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/*/es/**", "/a"},
				Other: []byte(`{"apps":["*"],"indices":["logstash-*"],"namespaces":["shop-*","12"]}`)},
			{Method: []string{"*"}, URL: []string{"[mscp_api_url]/system/log"}, Other: []byte(`{"namespace":"shop","region":"cn-1","zone":"a"}`)},
			{Method: []string{"GET"}, URL: []string{"/b"}, Other: []byte(`{}`)},
		}})
}

func TestParseUsersRefuses(t *testing.T) {
	f := func(content, want string) {
		t.Helper()
		_, err := parseUsers([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: got error %v, want %q", content, err, want)
		} else if strings.Contains(err.Error(), "horse") || strings.ContainsAny(err.Error(), "\x1b\x00") {
			t.Errorf("%.200s: the error shows too much: %q", content, err)
		}
	}
	user := func(more, want string) {
		t.Helper()
		f("users:\n- id: 1\n  email: a@b\n"+more, want)
	}
	f("", "want a section with users")
	f("null", "want a section with users")
	f("users:", "users: want a list")
	f("users: {}", "users: want a list")
	f("- id: 1", "want a section with users")
	f("user: []", `unknown option "user", did you mean "users"? known options: users`)
	f("users: []\nusers: []", `option "users" is there twice`)
	f("users: []\n---\nusers: []", "one YAML document")
	f("users: [", "yaml")
	f("\x00", "yaml")
	f("users:\n- 1", "user 1: want a section with id, email, password, role, disabled, valid_from, access")
	f("users:\n- {id: 1, email: a@b}\n- {id: 1, email: c@d}", "line 3: user 2 (c@d): another user has this id")
	f("users:\n- {id: 1, email: a@b}\n- {id: 2, email: A@B}", "another user has this e-mail address")
	f("users:\n- {id: 1, email: \u00e9@b}\n- {id: 2, email: e\u0301@b}", "another user has this e-mail address") // composed in two ways
	f("users:\n- {email: a@b}", "id is missing")
	f("users:\n- {id: 1}", "email is missing")
	f("users:\n- {id: , email: a@b}", "id: want a text")
	f("users:\n- {id: '', email: a@b}", "id: want a text")
	f("users:\n- {id: ~, email: a@b}", "id: want a text")
	f("users:\n- {id: [1], email: a@b}", "id: want a text")
	f("users:\n- {id: !!binary MQ==, email: a@b}", "id: want a text")
	f("users:\n- {id: \"a\\e[31m\", email: a@b}", "not shown")
	f("users:\n- {id: "+strings.Repeat("x", 1025)+", email: a@b}", "id is too long")
	f("users:\n- &u {id: 1, email: a@b}\n- *u", "user 2: want a section")
	f("users:\n- {id: 1, <<: {email: a@b}}", `unknown option "<<"`)
	f("users:\n- {id: 1, ? [email] : a@b}", "unknown option")
	for _, email := range []string{"a", "@b", "a@", "a@b@c", "a b@c", "a:b@c", strings.Repeat("x", 251) + "@bcd"} {
		f("users:\n- {id: 1, email: \""+email+"\"}", "cannot use email")
	}
	f("users:\n- {id: 1, email: \"\u202ea@b\"}", "not shown")
	f("users:\n- {id: 1, email: \"a@b\u200b\"}", "not shown")
	user("  emial: x", `line 4: unknown option "emial", did you mean "email"? known options: access, disabled, email, id, password, role, valid_from`)
	user("  Role: [x]", `unknown option "Role", did you mean "role"?`)
	user("  id: 2", "is there twice")
	user("  role: x", "role: want a list")
	user("  role: [x, [y]]", "role: want a text")
	user("  role: ["+strings.Repeat("x,", 65)+"]", "role has 65 entries, more than 64")
	user("  disabled: yes", "want true or false")
	user("  disabled: 0", "want true or false")
	user("  disabled:", "want true or false")
	user("  valid_from: tomorrow", "cannot use valid_from")
	user("  valid_from:", "cannot use valid_from")
	user("  password: correct horse", "never the password itself")
	user("  password:", "password: want a text")
	user("  access: GET /", "access: want a list")
	user("  access: [GET]", "access entry 1 (line 4): want a section with method, url, other")
	user("  access: [{method: [GET]}]", "url: want a list")
	user("  access: [{method: GET, url: [/a]}]", "method: want a list")
	user("  access: [{method: [], url: [/a]}]", "opens nothing")
	user("  access: [{method: [GET], url: []}]", "opens nothing")
	user("  access: [{method: [get], url: [/a]}]", `cannot use method "get"`)
	user("  access: [{method: [GET], url: [a]}]", `cannot use URL "a"`)
	user("  access: [{method: [GET], url: [/a/**/b]}]", "not at its end")
	user("  access: [{method: [GET], urls: [/a]}]", `unknown option "urls", did you mean "url"?`)
	user("  access: [{method: [GET], url: ["+strings.Repeat("/a,", 1025)+"]}]", "more than 1024")
	user("  access: ["+strings.Repeat("{method: [GET], url: ["+strings.Repeat("/a,", 513)+"]},", 2)+"]", "more than 1024 URLs")
	user("  access: ["+strings.Repeat("{method: [GET], url: [/a]},", 257)+"]", "more than 256")
	other := func(text, want string) {
		t.Helper()
		user("  access: [{method: [GET], url: [/a], other: "+text+"}]", want)
	}
	other("x", "want a section with indices, namespaces, apps, namespace, region, zone")
	other("{namespacs: [x]}", `unknown member "other.namespacs", did you mean "other.namespace"? known members: apps, indices, namespace, namespaces, region, zone`)
	other("{Namespaces: [x]}", "unknown member")
	other("{namespaces: x}", "other.namespaces is not a list")
	other("{namespaces: []}", "other.namespaces is not a list")
	other("{namespaces: [[x]]}", "other.namespaces: want a text")
	other("{namespaces: {a: b}}", "want a text")
	other("{namespaces: [x], namespaces: [y]}", "is there twice")
	other("{namespaces: [\"a,b\"]}", `other.namespaces holds "a,b"`)
	other("{namespaces: ['a?']}", "other.namespaces holds")
	other("{indices: [-a]}", "other.indices holds")
	other("{indices: [.podbeat-system]}", "other.indices holds")
	other("{indices: [\"cluster:a\"]}", "other.indices holds")
	other("{namespace: [x]}", "other.namespace is not one name")
	other("{namespace: x*}", "other.namespace is not one name")
	other("{apps: ["+strings.Repeat("x,", 65)+"]}", "more than 64")
}

func TestParseHash(t *testing.T) {
	h := quick("correct horse")
	good := h.encode()
	got, err := parseHash(good)
	if err != nil || !reflect.DeepEqual(got, h) {
		t.Fatalf("got %v and error %v", got, err)
	}
	// A string that another implementation (the reference one, argon2 -id -t 2 -k 65536 -p 4) has made.
	other, err := parseHash("$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo")
	if err != nil || !other.fits("password") || other.fits("Password") {
		t.Errorf("error %v; the hash of another implementation does not fit", err)
	}
	f := func(from, to, want string) {
		t.Helper()
		text := strings.Replace(good, from, to, 1)
		if _, err := parseHash(text); text == good || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2FsdHNhbHQ") {
			t.Errorf("%s: got error %v, want %q", text, err, want)
		}
	}
	f(good, "", "want $argon2id")
	f("argon2id", "argon2i", "want $argon2id")
	f("argon2id", "bcrypt", "want $argon2id")
	f("v=19", "v=16", "want $argon2id")
	f("$v=19", "", "want $argon2id")
	f("$argon2id", "x$argon2id", "want $argon2id")
	f(good, good+"$", "want $argon2id")
	f("m=8192,t=1", "t=1,m=8192", "m=8192 to 65536")
	f("m=8192", "m=8191", "m=8192 to 65536")
	f("m=8192", "m=65537", "m=8192 to 65536")
	f("m=8192", "m=4294967296", "m=8192 to 65536")
	f("m=8192", "m=08192", "m=8192 to 65536")
	f("m=8192", "m=+8192", "m=8192 to 65536")
	f("t=1", "t=0", "t=1 to 16")
	f("t=1", "t=17", "t=1 to 16")
	f("p=1", "p=9", "p=1 to 8")
	f("p=1", "p=1,keyid=x", "m, t and p")
	f("c2FsdHNhbHQ", "c2FsdHNhbHQ=", "salt: not base64")
	f("c2FsdHNhbHQ", "c2FsdHNhbHR", "salt: not base64") // spare bits
	f("c2FsdHNhbHQ", "c2FsdHNh\nbHQ", "salt: not base64")
	f("c2FsdHNhbHQ", "c2FsdA", "salt: 4 bytes")
	f(good[strings.LastIndex(good, "$"):], "$", "hash: 0 bytes")
	f(good[strings.LastIndex(good, "$"):], "$"+strings.Repeat("A", 88), "hash: 66 bytes")

	for _, text := range []string{fmt.Sprintf("%v", h), fmt.Sprintf("%+v", h), fmt.Sprintf("%#v", h)} {
		if text != "argon2id m=8192,t=1,p=1" {
			t.Errorf("printed, a hash is %q", text)
		}
	}
}

func TestNewHash(t *testing.T) {
	a, b := newHash("correct horse"), newHash("correct horse")
	if a.encode() == b.encode() {
		t.Error("two hashes have the same salt")
	}
	if !strings.HasPrefix(a.encode(), "$argon2id$v=19$m=19456,t=2,p=1$") || !a.fits("correct horse") || a.fits("correct hors") {
		t.Errorf("got %s", a.encode())
	}
	if c, err := parseHash(a.encode()); err != nil || !c.fits("correct horse") {
		t.Errorf("read again: %v", err)
	}
}

func TestNormal(t *testing.T) {
	email := func(in, want string) {
		t.Helper()
		if got, err := normalEmail(in); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q and error %v", in, got, err)
		}
	}
	email("User.Name+x@Example.COM", "user.name+x@example.com")
	email("e\u0301@b", "\u00e9@b")
	email("\u00c9@b", "\u00c9@b")
	email("\u212a@b", "k@b") // the sign for kelvin is the letter K in NFC
	email("\u202ea@b", "")
	email("a@b\u200b", "")
	email("ß@b", "ß@b")
	email("ſ@b", "ſ@b")
	email("a@b ", "")
	email("a\xff@b", "")
	password := func(in, want string) {
		t.Helper()
		if got, err := normalPassword(in); got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q and error %v", in, got, err)
		}
	}
	password("correct horse", "correct horse")
	password(" Ab ", " Ab ")
	password("u\u0308", "\u00fc")
	password("a\u00a0b", "a\u00a0b")
	password("ﬁ", "ﬁ") // as NFKC would not have it
	password("a\nb", "")
	password("a\x00", "")
	password("\xfc", "")
	password(strings.Repeat("x", 1025), "")
}

func TestReload(t *testing.T) {
	path := usersFile(t, "users:\n- {id: 1, email: a@b}")
	u, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	u.Changed = func(err error) { said = append(said, fmt.Sprint(err)) }
	f := func(want string, wantSaid int) {
		t.Helper()
		u.look()
		if got := u.current(); (got.byEmail["a@b"] != nil) != strings.Contains(want, "a") || (got.byEmail["b@b"] != nil) != strings.Contains(want, "b") {
			t.Errorf("got %v, want %s", got.byEmail, want)
		}
		if len(said) != wantSaid {
			t.Errorf("said %q, want %d", said, wantSaid)
		}
	}
	f("a", 0)
	write(t, path, "users:\n- {id: 1, email: a@b}\n- {id: 2, email: b@b}")
	f("ab", 1)
	f("ab", 1)
	write(t, path, "users:\n- {id: 1, email: a@b")
	f("ab", 2)
	f("ab", 2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f("ab", 3)
	write(t, path, "users:\n- {id: 1, email: a@b}\n- {id: 2, email: b@b}") // as it was
	f("ab", 4)
	write(t, path, "users:\n- {id: 2, email: b@b}")
	f("b", 5)
	if want := "<nil>"; said[0] != want || said[3] != want || said[4] != want || !strings.Contains(said[1], "cannot read users from") {
		t.Errorf("said %q", said)
	}
}

func TestOpenUsersRefuses(t *testing.T) {
	path := usersFile(t, "users: []")
	if err := os.Chmod(path, 0o602); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		if _, err := OpenUsers(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	f(path, "chmod o-w")
	f(filepath.Dir(path), "not a regular file")
	f(usersFile(t, strings.Repeat("#", maxFile+1)), "more than 4194304 bytes")
	f(usersFile(t, "users:"+strings.Repeat("\n- {id: 1, email: a@b}", maxUsers+1)), "more than 10000")
}

// TestNoUsersYet: who starts without a file has no users until there is one.
func TestNoUsersYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yml")
	u, err := OpenUsers(path)
	if err != nil || len(u.current().byEmail) != 0 {
		t.Fatalf("got error %v", err)
	}
	write(t, path, "users:\n- {id: 1, email: a@b}")
	u.look()
	if u.current().byEmail["a@b"] == nil {
		t.Error("the file was not read")
	}
}

func TestEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yml")
	check := func(err error, want string) {
		t.Helper()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	grant := token.Access{Method: []string{"GET"}, URL: []string{"{mscp_api_url}/*/es/**"}, Other: []byte(`{"namespaces":["shop-*"]}`)}
	check(Add(path, User{ID: "0123", Email: "User@example.com", Role: []string{"tenant"}, Access: []token.Access{grant}}, "correct horse"), "")
	check(Add(path, User{ID: "2", Email: "b@b"}, ""), "")
	check(Add(path, User{ID: "2", Email: "c@b"}, ""), "another user has this id")
	check(Add(path, User{ID: "3", Email: "B@b"}, ""), "another user has this e-mail address")
	check(Add(path, User{ID: "3", Email: "b"}, ""), "cannot use email")
	check(Add(path, User{ID: "3", Email: "c@b\n- x"}, ""), "not shown")
	check(Add(path, User{ID: "", Email: "c@b"}, ""), "id: want a text")
	check(Add(path, User{ID: "3", Email: "c@b"}, "short"), "fewer than 8 characters")
	check(Add(path, User{ID: "3", Email: "c@b", Access: []token.Access{{}}}, ""), "opens nothing")
	check(Grant(path, "B@B", grant), "")
	check(Grant(path, "b@b", token.Access{Method: []string{"*"}, URL: []string{"/x"}}), "")
	check(Grant(path, "b@b", token.Access{Method: []string{"GET"}, URL: []string{"/x"}, Other: []byte(`{"x":1}`)}), "unknown member")
	check(Grant(path, "b@b", token.Access{Method: []string{"GET"}}), "opens nothing")
	check(Grant(path, "d@b", grant), `nobody has the e-mail address "d@b"`)
	check(Grant(path, "d", grant), "cannot use e-mail address")
	check(SetPassword(path, "b@b", "battery staple"), "")
	check(SetPassword(path, "b@b", "a\nbcdefgh"), "control character")
	check(SetDisabled(path, "b@b", true), "")
	check(SetDisabled(path, "user@example.com", false), "")

	users, err := List(path)
	if err != nil || len(users) != 2 {
		t.Fatalf("got %v and error %v", users, err)
	}
	a, b := users[0], users[1]
	if a.ID != "0123" || a.Email != "User@example.com" || !reflect.DeepEqual(a.Access, []token.Access{grant}) || !a.password.fits("correct horse") || a.Disabled {
		t.Errorf("got %+v", a)
	}
	if len(b.Access) != 2 || !b.HasPassword() || !b.password.fits("battery staple") || !b.Disabled || b.ValidFrom.Before(time.Now().Truncate(time.Second)) {
		t.Errorf("got %+v", b)
	}
	check(SetDisabled(path, "b@b", false), "")
	if users, _ := List(path); users[1].Disabled {
		t.Error("the user is still disabled")
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v and error %v", st.Mode(), err)
	}

	// What is written by hand stays, and what is not understood is not replaced.
	const content = "# the users\nusers:\n  # Ann\n  - id: 1 # her number\n    email: ann@b\n"
	write(t, path, content)
	check(SetPassword(path, "ann@b", "correct horse"), "")
	if got, _ := os.ReadFile(path); !strings.HasPrefix(string(got), content+"    password: $argon2id$v=19$") {
		t.Errorf("got %s", got)
	}
	write(t, path, "users: [] # none\n")
	check(Add(path, User{ID: "1", Email: "a@b"}, ""), "")
	if got, _ := os.ReadFile(path); !strings.Contains(string(got), "\n  - id: \"1\"\n    email: a@b\n") {
		t.Errorf("got %s", got)
	}
	write(t, path, "users:\n- {id: 1, emial: a@b}")
	check(Add(path, User{ID: "2", Email: "b@b"}, ""), "line 2: user 1: line 2: unknown option")
	write(t, path, "user: []")
	check(Add(path, User{ID: "2", Email: "b@b"}, ""), "unknown option")
	write(t, path, "# nobody\n")
	check(Add(path, User{ID: "2", Email: "b@b"}, ""), "")

	// Two changes in one second both end what was issued between them.
	from := time.Now().UTC().Truncate(time.Second).Add(5 * time.Second)
	write(t, path, "users:\n- {id: 1, email: a@b, valid_from: "+from.Format(time.RFC3339)+"}")
	check(SetPassword(path, "a@b", "correct horse"), "")
	if users, _ := List(path); !users[0].ValidFrom.After(from) {
		t.Errorf("valid_from is %v, and was %v", users[0].ValidFrom, from)
	}
}

func TestEditAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yml")
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			if err := Add(path, User{ID: fmt.Sprint(i), Email: fmt.Sprintf("u%d@b", i)}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if users, err := List(path); err != nil || len(users) != 16 {
		t.Errorf("got %d users and error %v: one has taken another's place", len(users), err)
	}
}

func TestTwoPasswordsOfOneForm(t *testing.T) {
	path := usersFile(t, "users:\n- {id: 1, email: \u00e9@b}")
	if err := SetPassword(path, "e\u0301@b", "pa\u00dfwo\u0308rd!"); err != nil {
		t.Fatal(err)
	}
	users, err := OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	email, _ := normalEmail("\u00e9@B")
	password, _ := normalPassword("pa\u00dfw\u00f6rd!")
	if _, err := users.check(email, password); err != nil {
		t.Error(err)
	}
}

func FuzzUsers(f *testing.F) {
	f.Add("users: []")
	f.Add("users:\n- {id: 1, email: a@b, role: [x], disabled: true, valid_from: 2018-01-24T11:13:39Z}")
	f.Add("users:\n- {id: 1, email: a@b, password: '" + quick("x").encode() + "'}")
	f.Add("users:\n- id: 1\n  email: a@b\n  access:\n  - {method: [GET], url: [/a], other: {namespaces: [x*], region: y}}")
	f.Fuzz(func(t *testing.T, content string) {
		users, err := parseUsers([]byte(content))
		if err != nil {
			return
		}
		emails := map[string]bool{}
		for _, u := range users {
			key, err := normalEmail(u.Email)
			if err != nil || key != u.key || emails[key] || u.ID == "" {
				t.Errorf("%q: accepted %+v", content, u)
			}
			emails[key] = true
			for _, a := range u.Access {
				if err := CheckGrant(a); err != nil {
					t.Errorf("%q: accepted %+v: %v", content, a, err)
				}
				if got := Covers(token.Base{}, u.Access, []token.Access{a}); got == nil {
					t.Errorf("%q: what is granted is not covered by itself: %+v", content, a)
				}
			}
		}
	})
}
