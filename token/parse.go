package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// base64url is RFC 7515's, in its one canonical form. The decoder itself passes over line ends: isBase64url
// must have been asked before.
var base64url = base64.RawURLEncoding.Strict()

// checkForm says whether raw is written as a token must be, and returns its kid, nil if it has none. go-jose
// would also take line ends, spare bits and headers that we have no use for.
func checkForm(raw string) (kid *string, err error) {
	if raw == "" {
		return nil, ErrMissing
	}
	if len(raw) > maxToken {
		return nil, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(raw), maxToken)
	}
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: not three parts between dots", ErrMalformed)
	}
	var header []byte
	for i, name := range []string{"header", "payload", "signature"} {
		part := parts[i]
		if part == "" || !isBase64url(part) {
			return nil, fmt.Errorf("%w: the %s is not base64url", ErrMalformed, name)
		}
		decoded, err := base64url.DecodeString(part)
		if err != nil {
			return nil, fmt.Errorf("%w: the %s is not base64url in canonical form", ErrMalformed, name)
		}
		if i == 0 {
			header = decoded
		}
	}
	if len(parts[2]) != signature {
		return nil, fmt.Errorf("%w: the signature has %d characters, want %d", ErrMalformed, len(parts[2]), signature)
	}
	if kid, err = parseHeader(header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	return kid, nil
}

func isBase64url(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

func parseHeader(data []byte) (kid *string, err error) {
	if len(data) > maxHeader {
		return nil, fmt.Errorf("%d bytes, more than %d", len(data), maxHeader)
	}
	header, err := members(data, "alg", "typ", "kid")
	if err != nil {
		return nil, err
	}
	if alg, err := text(header["alg"]); err != nil || alg != "HS256" {
		return nil, errors.New("alg is not HS256")
	}
	if typ, ok := header["typ"]; ok {
		if typ, err := text(typ); err != nil || typ != "JWT" {
			return nil, errors.New("typ is not JWT")
		}
	}
	if raw, ok := header["kid"]; ok {
		id, err := text(raw)
		if err != nil {
			return nil, fmt.Errorf("kid %w", err)
		}
		kid = &id
	}
	return kid, nil
}

// claimNames are the claims that decode knows.
var claimNames = []string{"iat", "exp", "nbf", "user_id", "email", "role", "access", "iss", "sub", "jti", "aud"}

// parseClaims reads the payload of a token. What it does not know it leaves, unless the name differs from
// a known one in case only.
func parseClaims(data []byte) (*Claims, error) {
	payload, err := members(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrClaims, err)
	}
	c := &Claims{}
	for _, name := range slices.Sorted(maps.Keys(payload)) {
		if !slices.Contains(claimNames, name) {
			if i := slices.IndexFunc(claimNames, func(known string) bool { return strings.EqualFold(known, name) }); i >= 0 {
				return nil, fmt.Errorf("%w: %q, want %s", ErrClaims, clip(name), claimNames[i])
			}
			continue
		}
		if err := c.decode(name, payload[name]); err != nil {
			return nil, fmt.Errorf("%w: %s %w", ErrClaims, name, err)
		}
	}
	if c.Expires.IsZero() {
		return nil, fmt.Errorf("%w: no exp", ErrClaims)
	}
	return c, nil
}

func (c *Claims) decode(name string, value json.RawMessage) (err error) {
	switch name {
	case "iat":
		c.IssuedAt, err = second(value)
	case "exp":
		c.Expires, err = second(value)
	case "nbf":
		c.NotBefore, err = second(value)
	case "user_id":
		c.UserID, err = text(value)
	case "email":
		c.Email, err = text(value)
	case "role":
		c.Role, err = texts(value, maxNames)
	case "access":
		c.Access, err = parseAccess(value)
	case "iss":
		c.Issuer, err = text(value)
	case "sub":
		c.Subject, err = text(value)
	case "jti":
		c.ID, err = text(value)
	case "aud":
		if one, notOne := text(value); notOne == nil {
			c.Audience = []string{one}
		} else {
			c.Audience, err = texts(value, maxNames)
		}
	}
	return err
}

func parseAccess(value json.RawMessage) ([]Access, error) {
	entries, err := list(value, maxPairs)
	if err != nil {
		return nil, err
	}
	access, pairs := make([]Access, 0, len(entries)), 0
	for i, raw := range entries {
		a, err := parseEntry(raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if pairs += len(a.Method) * len(a.URL); pairs > maxPairs {
			return nil, fmt.Errorf("has more than %d pairs of a method and a URL", maxPairs)
		}
		access = append(access, a)
	}
	return access, nil
}

func parseEntry(raw json.RawMessage) (a Access, err error) {
	entry, err := members(raw, "method", "url", "other")
	if err != nil {
		return a, err
	}
	if a.Method, err = texts(entry["method"], maxPairs); err != nil {
		return a, fmt.Errorf("method %w", err)
	}
	if a.URL, err = texts(entry["url"], maxPairs); err != nil {
		return a, fmt.Errorf("url %w", err)
	}
	if other, ok := entry["other"]; ok {
		if _, err := members(other); err != nil {
			return a, fmt.Errorf("other: %w", err)
		}
		a.Other = other
	}
	return a, nil
}

// encode writes the payload of a token.
func (c *Claims) encode() ([]byte, error) {
	seconds := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.Unix()
	}
	texts := slices.Concat(c.Role, c.Audience, []string{c.UserID, c.Email, c.Issuer, c.Subject, c.ID})
	if !utf8.ValidString(strings.Join(texts, " ")) {
		return nil, errors.New("a claim is not UTF-8")
	}
	access := slices.Clone(c.Access)
	for i, a := range access { // null is no list
		access[i].Method = append([]string{}, a.Method...)
		access[i].URL = append([]string{}, a.URL...)
	}
	return json.Marshal(struct {
		IssuedAt  int64    `json:"iat,omitempty"`
		Expires   int64    `json:"exp"`
		NotBefore int64    `json:"nbf,omitempty"`
		UserID    string   `json:"user_id,omitempty"`
		Email     string   `json:"email,omitempty"`
		Role      []string `json:"role,omitempty"`
		Access    []Access `json:"access,omitempty"`
		Issuer    string   `json:"iss,omitempty"`
		Subject   string   `json:"sub,omitempty"`
		ID        string   `json:"jti,omitempty"`
		Audience  []string `json:"aud,omitempty"`
	}{seconds(c.IssuedAt), seconds(c.Expires), seconds(c.NotBefore), c.UserID, c.Email, c.Role, access,
		c.Issuer, c.Subject, c.ID, c.Audience})
}

// members returns the members of the JSON object in data. It refuses what two readers could take for two
// different things: a name twice, or twice but for its case, at any depth; text that is not UTF-8;
// anything after the object. If names are known, others are refused.
func members(data []byte, known ...string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := unambiguous(d, 0); err != nil {
		return nil, err
	}
	var found map[string]json.RawMessage
	if err := json.Unmarshal(data, &found); err != nil || found == nil {
		return nil, errors.New("not a JSON object")
	}
	for name := range found {
		if known != nil && !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown member %q; known ones: %s", clip(name), strings.Join(known, ", "))
		}
	}
	return found, nil
}

// unambiguous reads a value of d, which is valid JSON.
func unambiguous(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested more than %d deep", maxDepth)
	}
	start, err := d.Token()
	if err != nil {
		return err
	}
	if _, nested := start.(json.Delim); !nested {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if start == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				return err
			}
			folded := fold(name.(string)) // a name of an object is a string
			if names[folded] {
				return fmt.Errorf("two members %q", clip(folded))
			}
			names[folded] = true
		}
		if err := unambiguous(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// fold maps names that strings.EqualFold takes for equal to one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

func text(value json.RawMessage) (s string, err error) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return "", errors.New("is not a string")
	}
	return s, nil
}

func list(value json.RawMessage, most int) (values []json.RawMessage, err error) {
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &values) != nil {
		return nil, errors.New("is not a list")
	}
	if len(values) > most {
		return nil, fmt.Errorf("has %d entries, more than %d", len(values), most)
	}
	return values, nil
}

func texts(value json.RawMessage, most int) ([]string, error) {
	values, err := list(value, most)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(values))
	for i, v := range values {
		if all[i], err = text(v); err != nil {
			return nil, fmt.Errorf("entry %d %w", i, err)
		}
	}
	return all, nil
}

// second reads a time as JWT has it, but in whole seconds.
func second(value json.RawMessage) (time.Time, error) {
	n, err := strconv.ParseUint(string(value), 10, 63)
	if err != nil || n > latestTime {
		return time.Time{}, errors.New("is not a time in whole seconds since 1970")
	}
	return time.Unix(int64(n), 0).UTC(), nil
}
