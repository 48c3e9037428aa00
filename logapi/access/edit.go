package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/token"
	"github.com/podbeat/podbeat/token/secretfile"
)

// stored is a user, and storedGrant what is granted, as they are written to the file.
type stored struct {
	ID        string        `yaml:"id"`
	Email     string        `yaml:"email"`
	Password  string        `yaml:"password,omitempty"`
	Role      []string      `yaml:"role,flow,omitempty"`
	ValidFrom string        `yaml:"valid_from"`
	Access    []storedGrant `yaml:"access,omitempty"`
}

type storedGrant struct {
	Method []string       `yaml:"method,flow"`
	URL    []string       `yaml:"url"`
	Other  map[string]any `yaml:"other,omitempty"`
}

// List returns the users in the file at path, in its order.
func List(path string) ([]User, error) {
	list, _, err := readUsers(path)
	return list, err
}

// ErrNoUser says that no user has an e-mail address.
var ErrNoUser = errors.New("no such user")

// Find returns the user with this e-mail address in the file at path. The error is an [ErrNoUser] if there is none.
func Find(path, email string) (User, error) {
	if err := CheckEmail(email); err != nil {
		return User{}, err
	}
	key, _ := normalEmail(email)
	list, err := List(path)
	if err != nil {
		return User{}, err
	}
	for _, u := range list {
		if u.key == key {
			return u, nil
		}
	}
	return User{}, noUser(email)
}

func noUser(email string) error {
	return fmt.Errorf("%w: nobody has the e-mail address %q: `logapi user list` shows who is there, `logapi user add` adds", ErrNoUser, clip(email))
}

// CheckEmail says why nobody can have this e-mail address.
func CheckEmail(email string) error {
	if _, err := normalEmail(email); err != nil {
		return fmt.Errorf("cannot use e-mail address %q: %w", clip(email), err)
	}
	return nil
}

// CheckPassword says why this cannot be somebody's password.
func CheckPassword(password string) error {
	normal, err := normalPassword(password)
	if err == nil && utf8.RuneCountInString(normal) < minPassword {
		err = fmt.Errorf("it has fewer than %d characters", minPassword)
	}
	if err != nil {
		return fmt.Errorf("cannot use password: %w", err)
	}
	return nil
}

// Add adds u to the file at path, which it makes if there is none. An empty password is none: the user cannot log in.
func Add(path string, u User, password string) error {
	s := stored{ID: u.ID, Email: u.Email, Role: u.Role, ValidFrom: nextSecond().Format(time.RFC3339)}
	if password != "" {
		h, err := choose(password)
		if err != nil {
			return fmt.Errorf("cannot add user %q: %w", clip(u.Email), err)
		}
		s.Password = h.encode()
	}
	for _, a := range u.Access {
		g, err := grantOf(a)
		if err != nil {
			return fmt.Errorf("cannot add user %q: %w", clip(u.Email), err)
		}
		s.Access = append(s.Access, g)
	}
	return edit(path, func(users *yaml.Node) error {
		return appendTo(users, s)
	})
}

// SetPassword sets the password of the user with this e-mail address. Root tokens issued before hold no longer.
func SetPassword(path, email, password string) error {
	h, err := choose(password)
	if err != nil {
		return err
	}
	return editUser(path, email, func(_, user *yaml.Node) error {
		set(user, "password", text(h.encode()))
		end(user)
		return nil
	})
}

// Grant grants a to the user with this e-mail address, beside what is granted already.
func Grant(path, email string, a token.Access) error {
	g, err := grantOf(a)
	if err != nil {
		return fmt.Errorf("cannot grant: %w", err)
	}
	return editUser(path, email, func(_, user *yaml.Node) error {
		list := get(user, "access")
		if list == nil {
			list = &yaml.Node{Kind: yaml.SequenceNode}
			set(user, "access", list)
		}
		return appendTo(list, g)
	})
}

// SetDisabled says whether the user with this e-mail address gets tokens. Root tokens issued before a disabling hold no longer,
// also once the user is enabled again; access tokens hold until they expire.
func SetDisabled(path, email string, disabled bool) error {
	return editUser(path, email, func(_, user *yaml.Node) error {
		if disabled {
			set(user, "disabled", text("true"))
			end(user)
		} else if get(user, "disabled") != nil {
			set(user, "disabled", text("false"))
		}
		return nil
	})
}

// Delete takes the user with this e-mail address out of the file. Root tokens end at once, access tokens hold until they expire.
func Delete(path, email string) error {
	return editUser(path, email, func(users, user *yaml.Node) error {
		users.Content = slices.DeleteFunc(users.Content, func(other *yaml.Node) bool { return other == user })
		return nil
	})
}

// choose hashes a new password.
func choose(password string) (hash, error) {
	if err := CheckPassword(password); err != nil {
		return hash{}, err
	}
	normal, err := normalPassword(password)
	return newHash(normal), err
}

// end ends the root tokens that user has. valid_from becomes the second after now, as tokens have whole seconds and those of this one may have
// been issued before; or after what it is, as those issued since the last change have that.
func end(user *yaml.Node) {
	next := nextSecond()
	if node := get(user, "valid_from"); node != nil {
		if old, err := time.Parse(time.RFC3339, node.Value); err == nil && !old.Before(next) {
			next = old.Add(time.Second)
		}
	}
	set(user, "valid_from", text(next.Format(time.RFC3339)))
}

func nextSecond() time.Time { return time.Now().UTC().Truncate(time.Second).Add(time.Second) }

func grantOf(a token.Access) (g storedGrant, err error) {
	if err := CheckGrant(a); err != nil {
		return g, err
	}
	g.Method, g.URL = a.Method, a.URL
	if len(a.Other) > 0 {
		err = json.Unmarshal(a.Other, &g.Other)
	}
	return g, err
}

// edit lets change change the list of users in the file at path. Comments stay.
func edit(path string, change func(users *yaml.Node) error) error {
	err := secretfile.Edit(path, maxFile, func(old []byte, _ bool) ([]byte, error) {
		root, err := parseYAML(old)
		if err != nil {
			return nil, err
		}
		if root == nil {
			root = &yaml.Node{Kind: yaml.MappingNode}
			set(root, "users", &yaml.Node{Kind: yaml.SequenceNode})
		} else if _, err := parseUsers(old); err != nil {
			return nil, err
		}
		if err := change(get(root, "users")); err != nil {
			return nil, err
		}
		var content bytes.Buffer
		e := yaml.NewEncoder(&content)
		e.SetIndent(2)
		if err := e.Encode(root); err != nil {
			return nil, err
		}
		_, err = parseUsers(content.Bytes())
		return content.Bytes(), err
	})
	if err != nil {
		return fmt.Errorf("cannot change users in %q: %w", path, err)
	}
	return nil
}

// editUser lets change change one of the users.
func editUser(path, email string, change func(users, user *yaml.Node) error) error {
	return edit(path, func(users *yaml.Node) error {
		if err := CheckEmail(email); err != nil {
			return err
		}
		key, _ := normalEmail(email)
		for _, user := range users.Content {
			if other, _ := normalEmail(get(user, "email").Value); other == key { // parseUsers has seen that it is there
				return change(users, user)
			}
		}
		return noUser(email)
	})
}

func appendTo(list *yaml.Node, value any) error {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return err
	}
	if list.Kind != yaml.SequenceNode {
		return errors.New("want a list")
	}
	list.Style &^= yaml.FlowStyle // of []
	list.Content = append(list.Content, &node)
	return nil
}

func get(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func set(mapping *yaml.Node, name string, value *yaml.Node) {
	if old := get(mapping, name); old != nil {
		value.LineComment, value.HeadComment, value.FootComment = old.LineComment, old.HeadComment, old.FootComment
		*old = *value
		return
	}
	mapping.Content = append(mapping.Content, text(name), value)
}

func text(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }
