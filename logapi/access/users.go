// Package access says who may do what with the APIs: it keeps the users and what is granted to them in a file, checks passwords,
// and issues tokens (package token) for what is granted.
package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/token"
	"github.com/podbeat/podbeat/token/secretfile"
)

// Bounds of a file of users, and of each user.
const (
	maxFile    = 4 << 20
	maxUsers   = 10_000
	maxText    = 1 << 10
	maxRoles   = 64
	maxEntries = 256
	maxMethods = 32
	maxURLs    = 1024 // of all entries of a user
	lookAgain  = time.Second
)

// A User is one user of the file.
type User struct {
	ID        string // user_id of tokens; never another's, as root tokens name the user by it
	Email     string // as it is written; see normalEmail for how it is compared
	Role      []string
	Disabled  bool           // no token is issued
	ValidFrom time.Time      // root tokens that were issued before hold no longer; zero: all hold
	Access    []token.Access // what is granted

	key      string // normalEmail of Email
	password *hash  // nil: none, nobody can log in
}

// HasPassword says whether u can log in.
func (u User) HasPassword() bool { return u.password != nil }

// Users are the users of a file. It is looked at again when they are used, at most once a second. While it cannot be read or holds
// anything else, the users it held before stay. Users may be used by several goroutines.
type Users struct {
	// Changed, if set before the first use, is called after the file has changed, with nil if its users are now in
	// use, or with what is wrong with it. It is called once for each change.
	Changed func(error)

	path string
	seed maphash.Seed
	list atomic.Pointer[directory]

	mu     sync.Mutex // held by whoever looks at the file; guards the rest
	looked time.Time
	held   [sha256.Size]byte // the hash of the content that list is from
	said   string            // what Changed was told last
}

// A directory finds users.
type directory struct {
	byEmail map[string]*User // by User.key
	byID    map[string]*User
	hashes  []*hash // of all users that have one
}

// OpenUsers reads the users in the file at path. There are none while there is no file.
func OpenUsers(path string) (*Users, error) {
	u := &Users{path: path, seed: maphash.MakeSeed(), looked: time.Now()}
	list, held, err := readUsers(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	u.list.Store(newDirectory(list))
	u.held = held
	return u, nil
}

func newDirectory(list []User) *directory {
	d := &directory{byEmail: map[string]*User{}, byID: map[string]*User{}}
	for i := range list {
		u := &list[i]
		d.byEmail[u.key], d.byID[u.ID] = u, u
		if u.password != nil {
			d.hashes = append(d.hashes, u.password)
		}
	}
	return d
}

// current returns the users of the file.
func (u *Users) current() *directory {
	if u.mu.TryLock() { // otherwise somebody is looking already
		if now := time.Now(); now.Sub(u.looked) >= lookAgain {
			u.looked = now
			u.look()
		}
		u.mu.Unlock()
	}
	return u.list.Load()
}

func (u *Users) look() {
	list, held, err := readUsers(u.path)
	said := ""
	switch {
	case err != nil:
		said = err.Error()
	case held != u.held:
		u.list.Store(newDirectory(list))
		u.held, u.said = held, "-" // to be told of even if the file before this was fine
	}
	if said != u.said {
		u.said = said
		if u.Changed != nil {
			u.Changed(err)
		}
	}
}

// check returns the user with this e-mail address, in the form of normalEmail, and password, or why there is none. It hashes the password
// whether there is such a user or not, so that the time it takes says nothing of that.
func (u *Users) check(email, password string) (*User, error) {
	d := u.current()
	user := d.byEmail[email]
	var h hash
	switch {
	case user != nil && user.password != nil:
		h = *user.password
	case len(d.hashes) > 0: // where users have different parameters, those who are none have them, too
		h = *d.hashes[maphash.String(u.seed, email)%uint64(len(d.hashes))]
	default:
		h = ordinary
	}
	fits := h.fits(password)
	switch {
	case user == nil:
		return nil, errors.New("no such user")
	case user.password == nil:
		return user, errors.New("the user has no password")
	case !fits:
		return user, errors.New("wrong password")
	case user.Disabled:
		return user, errors.New("the user is disabled")
	}
	return user, nil
}

// holder returns the user that a root token is of, or why it is nobody's any more.
func (u *Users) holder(c *token.Claims) (*User, error) {
	user := u.current().byID[c.UserID]
	if user == nil || c.UserID == "" {
		return nil, errors.New("no such user")
	}
	email, err := normalEmail(c.Email)
	switch {
	case err != nil || email != user.key:
		return nil, errors.New("the user has another e-mail address now")
	case user.Disabled:
		return nil, errors.New("the user is disabled")
	case c.IssuedAt.Before(user.ValidFrom) || c.IssuedAt.IsZero():
		return nil, errors.New("the token was issued before valid_from of the user")
	}
	return user, nil
}

// readUsers returns the users in the file at path and the hash of its content.
func readUsers(path string) (list []User, held [sha256.Size]byte, err error) {
	data, err := secretfile.Read(path, maxFile)
	if err == nil {
		list, err = parseUsers(data)
	}
	if err != nil {
		return nil, held, fmt.Errorf("cannot read users from %q: %w", path, err)
	}
	return list, sha256.Sum256(data), nil
}

// parseUsers reads a file of users. Its errors quote no passwords.
func parseUsers(data []byte) ([]User, error) {
	root, err := parseYAML(data)
	if err != nil {
		return nil, err
	}
	file, err := mapping(root, "", "option", "users")
	if err != nil {
		return nil, err
	}
	entries, err := sequence(file["users"], "users", maxUsers)
	if err != nil {
		return nil, err
	}
	list := make([]User, 0, len(entries))
	emails, ids := map[string]bool{}, map[string]bool{}
	for i, node := range entries {
		u, err := parseUser(node)
		if err == nil && emails[u.key] {
			err = errors.New("another user has this e-mail address")
		}
		if err == nil && ids[u.ID] {
			err = errors.New("another user has this id")
		}
		if err != nil {
			name := ""
			if u.key != "" {
				name = fmt.Sprintf(" (%s)", clip(u.Email))
			}
			return nil, fmt.Errorf("line %d: user %d%s: %w", node.Line, i+1, name, err)
		}
		emails[u.key], ids[u.ID] = true, true
		list = append(list, u)
	}
	return list, nil
}

// parseYAML returns the top of the one document in data; nil if it is empty.
func parseYAML(data []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document, more yaml.Node
	if err := d.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document")
	}
	return document.Content[0], nil
}

func parseUser(node *yaml.Node) (u User, err error) {
	given, err := mapping(node, "", "option", "id", "email", "password", "role", "disabled", "valid_from", "access")
	if err != nil {
		return u, err
	}
	if u.Email, err = scalar(given["email"], "email"); err != nil {
		return u, err
	}
	if u.key, err = normalEmail(u.Email); err != nil {
		return u, fmt.Errorf("cannot use email %q: %w", clip(u.Email), err)
	}
	if u.ID, err = scalar(given["id"], "id"); err != nil {
		return u, err
	}
	if node := given["password"]; node != nil {
		text, err := scalar(node, "password")
		if err != nil {
			return u, err
		}
		h, err := parseHash(text)
		if err != nil {
			return u, fmt.Errorf("cannot use password: %w", err)
		}
		u.password = &h
	}
	if node := given["role"]; node != nil {
		if u.Role, err = scalars(node, "role", maxRoles); err != nil {
			return u, err
		}
	}
	if node := given["disabled"]; node != nil {
		text, err := scalar(node, "disabled")
		if err != nil || text != "true" && text != "false" {
			return u, errors.New("cannot use disabled: want true or false")
		}
		u.Disabled = text == "true"
	}
	if node := given["valid_from"]; node != nil {
		text, _ := scalar(node, "valid_from")
		if u.ValidFrom, err = time.Parse(time.RFC3339, text); err != nil {
			return u, fmt.Errorf("cannot use valid_from %q: want a time such as 2006-01-02T15:04:05Z", clip(text))
		}
	}
	u.Access, err = parseGrants(given["access"])
	return u, err
}

func parseGrants(node *yaml.Node) ([]token.Access, error) {
	if node == nil {
		return nil, nil
	}
	entries, err := sequence(node, "access", maxEntries)
	if err != nil {
		return nil, err
	}
	grants, urls := make([]token.Access, len(entries)), 0
	for i, entry := range entries {
		if grants[i], err = parseGrant(entry); err != nil {
			return nil, fmt.Errorf("access entry %d (line %d): %w", i+1, entry.Line, err)
		}
		if urls += len(grants[i].URL); urls > maxURLs {
			return nil, fmt.Errorf("more than %d URLs", maxURLs)
		}
	}
	return grants, nil
}

func parseGrant(node *yaml.Node) (a token.Access, err error) {
	given, err := mapping(node, "", "option", "method", "url", "other")
	if err != nil {
		return a, err
	}
	if a.Method, err = scalars(given["method"], "method", maxMethods); err != nil {
		return a, err
	}
	if a.URL, err = scalars(given["url"], "url", maxURLs); err != nil {
		return a, err
	}
	if node := given["other"]; node != nil {
		if a.Other, err = parseGrantOther(node); err != nil {
			return a, err
		}
	}
	return a, CheckGrant(a)
}

// CheckGrant says what is wrong with a grant.
func CheckGrant(a token.Access) error {
	if len(a.Method) == 0 || len(a.URL) == 0 {
		return errors.New("it opens nothing: want at least one method and one url")
	}
	if err := a.Check(); err != nil {
		return err
	}
	_, err := parseOther(a.Other, true)
	return err
}

// parseGrantOther makes JSON of an `other`.
func parseGrantOther(node *yaml.Node) (json.RawMessage, error) {
	given, err := mapping(node, "other.", "member", allNames...)
	if err != nil {
		return nil, err
	}
	other := map[string]any{}
	for name, value := range given {
		if value.Kind == yaml.SequenceNode {
			other[name], err = scalars(value, "other."+name, maxNames)
		} else {
			other[name], err = scalar(value, "other."+name)
		}
		if err != nil {
			return nil, err
		}
	}
	return json.Marshal(other)
}

// mapping returns the members of a YAML mapping. It refuses names that are not among known, which it lists, and a name twice.
func mapping(node *yaml.Node, prefix, noun string, known ...string) (map[string]*yaml.Node, error) {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("want a section with %s", strings.Join(known, ", "))
	}
	given := map[string]*yaml.Node{}
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if node.Content[i].Kind != yaml.ScalarNode || !slices.Contains(known, name) {
			return nil, fmt.Errorf("line %d: %w", node.Content[i].Line, option.Unknown(noun, prefix, clip(name), known))
		}
		if given[name] != nil {
			return nil, fmt.Errorf("line %d: %s %q is there twice", node.Content[i].Line, noun, prefix+name)
		}
		given[name] = node.Content[i+1]
	}
	return given, nil
}

func sequence(node *yaml.Node, name string, most int) ([]*yaml.Node, error) {
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("%s: want a list", name)
	}
	if len(node.Content) > most {
		return nil, fmt.Errorf("%s has %d entries, more than %d", name, len(node.Content), most)
	}
	return node.Content, nil
}

// scalar returns a text as it is written: 0123 is not a number here.
func scalar(node *yaml.Node, name string) (string, error) {
	if node == nil {
		return "", fmt.Errorf("%s is missing", name)
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Style&yaml.TaggedStyle != 0 || node.Value == "" {
		return "", fmt.Errorf("%s: want a text", name)
	}
	if len(node.Value) > maxText {
		return "", fmt.Errorf("%s is too long", name)
	}
	if strings.ContainsFunc(node.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", fmt.Errorf("%s holds a character that is not shown", name)
	}
	return node.Value, nil
}

func scalars(node *yaml.Node, name string, most int) ([]string, error) {
	entries, err := sequence(node, name, most)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(entries))
	for i, entry := range entries {
		if list[i], err = scalar(entry, name); err != nil {
			return nil, err
		}
	}
	return list, nil
}
