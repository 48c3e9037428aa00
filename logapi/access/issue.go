package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/token"
)

// Bounds of requests.
const (
	maxBasic  = 4 << 10  // of a header Authorization
	maxWanted = 32 << 10 // of a body; a token has 8 KiB
)

// An Issuer answers requests for tokens:
//
//	GET /auth/token_root    with basic authentication, e-mail address and password: a root token
//	GET or POST /auth       with a root token and the wanted access as body: an access token
//
// A root token has no access and opens nothing but /auth, where it is looked at whether its user may still have tokens. An access token
// opens what was wanted, if that is granted, and holds no longer than the root token. The answer is
//
//	{"token": "eyJ…", "exp": 1548334419}
//
// or the token alone for a client that accepts text/plain. Whoever gets none is told the same, in the same time, whatever the reason: that is in
// the log.
type Issuer struct {
	Users      *Users
	Keys       *token.Keys
	RootLife   time.Duration // how long a root token holds
	AccessLife time.Duration // how long an access token holds; so long it does after its user was disabled
	Limits     Limits        // zero: their defaults
	Base       token.Base
	Log        *slog.Logger

	// Client, if set, returns the address of a request's client; the default is the other end of the connection. It must not believe
	// a header from anybody but a known proxy.
	Client func(*http.Request) netip.Addr
}

// issuer is an Issuer at work.
type issuer struct {
	*Issuer
	addresses *buckets // failed logins, by address
	accounts  *buckets // failed logins, by e-mail address
	pairs     *buckets // failed logins, by address and e-mail address that went together once: others cannot lock them out
	tokens    *buckets // refused root tokens, by address
	places    places
	strangers listen.Throttle
}

// Handler returns what answers for i. The paths of its requests begin with /auth.
func (i *Issuer) Handler() http.Handler {
	l := i.Limits
	if l == (Limits{}) {
		_ = option.Unpack(option.From(nil), &l, "limits") // the defaults hold
	}
	return &issuer{
		Issuer:    i,
		addresses: newBuckets(l.AddressBurst, l.AddressEvery, l.Remembered),
		accounts:  newBuckets(l.AccountBurst, l.AccountEvery, l.Remembered),
		pairs:     newBuckets(l.AccountBurst, l.AccountEvery, l.Remembered),
		tokens:    newBuckets(l.TokenBurst, l.TokenEvery, l.Remembered),
		places:    newPlaces(l.Checks, l.Waiting),
	}
}

// A reply is what a client is told, and what the log is told beside it.
type reply struct {
	status int
	token  string    // of 200
	exp    time.Time // of 200
	error  string    // of others
	scheme string    // of 401: what to authenticate with
	allow  string    // of 405
	wait   time.Duration
	user   string // the user's id, where it is known
	detail string // for the log
}

// ServeHTTP answers one request.
func (s *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	a := s.answer(r, now)
	s.write(w, r, a)
	if a.status == http.StatusOK || s.strangers.Allow(now) {
		s.Log.Info("token", "path", clip(r.URL.Path), "status", a.status, "user", clip(a.user), "client", s.client(r).String(), "detail", clip(a.detail))
	}
}

func (s *issuer) answer(r *http.Request, now time.Time) reply {
	path, err := token.Segments(r.URL)
	switch {
	case err != nil || len(path) == 0 || path[0] != "auth":
	case len(path) == 2 && path[1] == "token_root":
		if r.Method != http.MethodGet {
			return reply{status: http.StatusMethodNotAllowed, error: "want GET", allow: "GET"}
		}
		return s.login(r, now)
	case len(path) == 1:
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			return reply{status: http.StatusMethodNotAllowed, error: "want GET or POST", allow: "GET, POST"}
		}
		return s.authorize(r, now)
	}
	return reply{status: http.StatusNotFound, error: "want /auth or /auth/token_root"}
}

func (s *issuer) write(w http.ResponseWriter, r *http.Request, a reply) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept, Authorization")
	switch {
	case a.status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", a.scheme)
	case a.allow != "":
		header.Set("Allow", a.allow)
	case a.wait > 0:
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.wait.Seconds()))))
	}
	var text []byte
	if a.status != http.StatusOK {
		text, _ = json.Marshal(map[string]string{"error": a.error}) // a text can be marshalled
	} else if r.Header.Get("Accept") == "text/plain" {
		text = []byte(a.token)
	} else {
		text, _ = json.Marshal(struct {
			Token string `json:"token"`
			Exp   int64  `json:"exp"`
		}{a.token, a.exp.Unix()})
	}
	kind := "application/json"
	if text[0] != '{' {
		kind = "text/plain; charset=utf-8"
	}
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(a.status)
	_, _ = w.Write(append(text, '\n')) // who is gone hears nothing
}

// What those are asked for who are refused.
const (
	basicScheme  = `Basic realm="podbeat", charset="UTF-8"`
	bearerScheme = `Bearer realm="podbeat"`
)

func refused(scheme, user, detail string) reply {
	return reply{status: http.StatusUnauthorized, error: token.Refusal, scheme: scheme, user: user, detail: detail}
}

func tooMany(wait time.Duration, detail string) reply {
	return reply{status: http.StatusTooManyRequests, error: "too many failed attempts: try again later", wait: wait, detail: detail}
}

// client is the address of r's client.
func (s *issuer) client(r *http.Request) netip.Addr {
	if s.Client != nil {
		return s.Client(r)
	}
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // of a connection that is none, all clients are one
	return at.Addr()
}

// login answers a request for a root token.
func (s *issuer) login(r *http.Request, now time.Time) reply {
	address := addressName(s.client(r))
	email, password, err := parseBasic(r)
	if errors.Is(err, errNoBasic) {
		return refused(basicScheme, "", err.Error()) // a browser asks without a password first
	}
	if err != nil {
		if wait := s.addresses.wait(address, now); wait > 0 {
			return tooMany(wait, "address")
		}
		s.addresses.fail(address, now)
		return refused(basicScheme, "", err.Error())
	}
	a := attempt{s, address, email, address + " " + email}
	if wait := a.wait(now); wait > 0 { // without a place: who has to wait must not keep others waiting
		return tooMany(wait, "login")
	}
	user, wait, err := a.check(r.Context(), password)
	switch {
	case wait > 0:
		return tooMany(wait, "login")
	case errors.Is(err, errBusy):
		return reply{status: http.StatusServiceUnavailable, error: err.Error(), wait: time.Second}
	case err != nil && user == nil:
		return refused(basicScheme, "", err.Error())
	case err != nil:
		return refused(basicScheme, user.ID, err.Error())
	}
	return s.root(user, now)
}

// An attempt is a login with credentials of the right form.
type attempt struct {
	*issuer
	address, email, pair string
}

// wait is how long the attempt has to wait.
func (a attempt) wait(now time.Time) time.Duration {
	if a.pairs.has(a.pair) {
		return a.pairs.wait(a.pair, now)
	}
	return max(a.addresses.wait(a.address, now), a.accounts.wait(a.email, now))
}

// errBusy is attempt.check's error where too many logins wait.
var errBusy = errors.New("too many logins at once: try again")

// check returns the user, or why the login fails, or how long it has to wait because others have failed meanwhile.
func (a attempt) check(ctx context.Context, password string) (*User, time.Duration, error) {
	if !a.places.enter(ctx) {
		return nil, 0, errBusy
	}
	defer a.places.leave()
	if wait := a.wait(time.Now()); wait > 0 {
		return nil, wait, nil
	}
	user, err := a.Users.check(a.email, password)
	now := time.Now()
	switch {
	case err == nil:
		a.pairs.know(a.pair, now)
	case a.pairs.has(a.pair):
		a.pairs.fail(a.pair, now)
	default:
		a.addresses.fail(a.address, now)
		a.accounts.fail(a.email, now)
	}
	return user, 0, err
}

// root issues a root token.
func (s *issuer) root(user *User, now time.Time) reply {
	issued := now.Truncate(time.Second)
	if ahead := user.ValidFrom.Sub(issued); ahead > 0 {
		if ahead > 10*time.Second { // setting a password sets valid_from to the next second
			return refused(basicScheme, user.ID, "valid_from of the user is in the future")
		}
		issued = user.ValidFrom
	}
	return s.sign(token.Claims{IssuedAt: issued, Expires: issued.Add(s.RootLife), UserID: user.ID, Email: user.Email, Role: user.Role}, "root token")
}

func (s *issuer) sign(c token.Claims, what string) reply {
	raw, err := s.Keys.Sign(c)
	if errors.Is(err, token.ErrSize) {
		return reply{status: http.StatusBadRequest, error: "cannot put so much access into one token: ask for less", user: c.UserID, detail: err.Error()}
	}
	if err != nil {
		s.Log.Error("cannot sign token", "user", c.UserID, "error", err)
		return reply{status: http.StatusInternalServerError, error: "cannot sign a token", user: c.UserID, detail: what}
	}
	return reply{status: http.StatusOK, token: raw, exp: c.Expires, user: c.UserID, detail: what}
}

// authorize answers a request for an access token.
func (s *issuer) authorize(r *http.Request, now time.Time) reply {
	address := addressName(s.client(r))
	if wait := s.tokens.wait(address, now); wait > 0 {
		return tooMany(wait, "token")
	}
	user, claims, err := s.holder(r, now)
	if err != nil {
		s.tokens.fail(address, now)
		return refused(bearerScheme, "", err.Error())
	}
	wanted, a := readWanted(r)
	if a.status != 0 {
		a.user = user.ID
		return a
	}
	access := Covers(s.Base, user.Access, wanted)
	if access == nil {
		s.tokens.fail(address, now)
		return refused(bearerScheme, user.ID, "the wanted access is not granted")
	}
	c := token.Claims{IssuedAt: now.Truncate(time.Second), Expires: now.Truncate(time.Second).Add(s.AccessLife),
		UserID: user.ID, Email: user.Email, Role: user.Role, Access: access}
	if claims.Expires.Before(c.Expires) {
		c.Expires = claims.Expires
	}
	return s.sign(c, "access token")
}

// holder returns the user whose root token r carries.
func (s *issuer) holder(r *http.Request, now time.Time) (*User, *token.Claims, error) {
	raw, err := token.FromRequest(r)
	if err != nil {
		return nil, nil, err
	}
	claims, err := s.Keys.Verify(raw, now)
	if err != nil {
		return nil, nil, err
	}
	if len(claims.Access) > 0 {
		return nil, nil, errors.New("not a root token")
	}
	if !claims.Expires.After(now) { // Verify has some leeway; what is issued here must hold no longer
		return nil, nil, token.ErrExpired
	}
	user, err := s.Users.holder(claims)
	return user, claims, err
}

// readWanted reads the access that r asks for, or says what is wrong with it.
func readWanted(r *http.Request) ([]token.Access, reply) {
	if len(r.Header.Values("Content-Encoding")) > 0 {
		return nil, reply{status: http.StatusUnsupportedMediaType, error: "want a body without Content-Encoding"}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxWanted+1))
	switch {
	case err != nil:
		return nil, reply{status: http.StatusBadRequest, error: "cannot read the body", detail: err.Error()}
	case len(body) > maxWanted:
		return nil, reply{status: http.StatusRequestEntityTooLarge, error: "the body has more than " + strconv.Itoa(maxWanted) + " bytes"}
	}
	wanted, err := token.ParseAccess(body)
	if err == nil {
		for _, a := range wanted {
			if _, err = parseOther(a.Other, true); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, reply{status: http.StatusBadRequest, error: "cannot read the wanted access: " + err.Error()}
	}
	return wanted, reply{}
}

// errNoBasic is parseBasic's error where there is nothing to parse.
var errNoBasic = errors.New("no credentials")

// parseBasic returns the e-mail address, in the form of normalEmail, and the password, in that of normalPassword, of RFC 7617's
// basic authentication in UTF-8. It is strict: one header, one space, canonical base64, no control characters.
func parseBasic(r *http.Request) (email, password string, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query["jwt"]) > 0 {
		return "", "", errors.New("a jwt or what cannot be read in the query")
	}
	header := r.Header["Authorization"]
	if len(header) == 0 {
		return "", "", errNoBasic
	}
	if len(header) > 1 || len(header[0]) > maxBasic {
		return "", "", errors.New("more than one header Authorization, or a long one")
	}
	scheme, coded, ok := strings.Cut(header[0], " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return "", "", errors.New("the scheme in Authorization is not Basic")
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(coded)
	if err != nil || strings.ContainsAny(coded, "\r\n") { // the decoder passes over line ends
		return "", "", errors.New("the credentials are not base64")
	}
	email, password, ok = strings.Cut(string(plain), ":")
	if !ok || password == "" {
		return "", "", errors.New("the credentials are not name:password")
	}
	if email, err = normalEmail(email); err != nil {
		return "", "", errors.New("the name is no e-mail address")
	}
	if password, err = normalPassword(password); err != nil {
		return "", "", errors.New("the password is none")
	}
	return email, password, nil
}
