package access

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestLockedOut(t *testing.T) {
	limits := generous
	limits.AddressBurst, limits.AccountBurst, limits.TokenBurst = 8, 5, 3
	limits.AddressEvery, limits.AccountEvery, limits.TokenEvery = 10*time.Second, 20*time.Second, 30*time.Second
	b := newBench(t, limits)
	try := func(from, email, password string, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", "/auth/token_root", nil)
		r.RemoteAddr = from + ":1234"
		r.Header.Set("Authorization", basic(email, password))
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s as %s: got %d %s, want %d", from, email, w.Code, w.Body, want)
		}
		if after, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code == http.StatusTooManyRequests && (err != nil || after < 1 || after > 20) {
			t.Errorf("got Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
	const user, admin = "user@example.com", "admin@example.com"
	root := b.root(user)
	for range 20 {
		try("192.0.2.9", user, password, 200) // what succeeds costs nothing
	}
	for i := range 5 {
		try(fmt.Sprintf("192.0.2.%d", i), admin, "wrong", 401) // from many addresses
	}
	try("192.0.2.10", admin, "wrong", 429)
	try("192.0.2.10", admin, password, 429) // the right password is no way to ask whether it is right
	try("192.0.2.10", "Admin@Example.com", password, 429)
	for range 5 {
		try("192.0.2.20", "nobody@example.com", "wrong", 401) // who is none is treated alike
	}
	try("192.0.2.20", "nobody@example.com", "wrong", 429)
	for range 3 {
		try("192.0.2.20", "nobody2@example.com", "wrong", 401)
	}
	try("192.0.2.20", user, password, 429) // this address has failed eight times
	try("192.0.2.21", user, password, 200)
	try("192.0.2.9", user, password, 200)

	// Others cannot lock out those who have been there, not even from the same address.
	for i := range 10 {
		try(fmt.Sprintf("[2001:db8:%x::1]", i), user, "wrong", []int{401, 429}[i/5])
	}
	try("[2001:db8:99::1]", user, password, 429)
	for i := range 9 {
		try("192.0.2.21", fmt.Sprintf("nobody%d@example.com", i+10), "wrong", []int{401, 429}[i/8])
	}
	try("192.0.2.9", user, password, 200)
	try("192.0.2.21", user, password, 200)
	for range 5 {
		try("192.0.2.9", user, "wrong", 401)
	}
	try("192.0.2.9", user, "wrong", 429)
	try("192.0.2.21", user, password, 200)

	// Requests with refused tokens have limits of their own.
	ask := func(raw string, want int) {
		t.Helper()
		if w := b.ask("POST", "/auth", `[{"method":["GET"],"url":["{mscp_api_url}/a/es/x"]}]`, "Authorization: Bearer "+raw); w.Code != want {
			t.Errorf("got %d %s, want %d", w.Code, w.Body, want)
		}
	}
	for range 5 {
		ask(root, 200)
	}
	for range 3 {
		ask("x", 401)
	}
	ask(root, 429)
	b.root(user)
}

// Many log in at once: none is refused for that, and no more hash than may.
func TestManyLogins(t *testing.T) {
	limits := generous
	limits.Checks, limits.Waiting = 2, 100
	b := newBench(t, limits)
	b.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			email, want := "user@example.com", http.StatusOK
			if i%2 == 0 {
				email, want = fmt.Sprintf("nobody%d@example.com", i), http.StatusUnauthorized
			}
			if w := b.ask("GET", "/auth/token_root", "", "Authorization: "+basic(email, password)); w.Code != want {
				t.Errorf("%s: got %d %s", email, w.Code, w.Body)
			}
			if n := len(b.handler.places.busy); n > 2 {
				t.Errorf("%d hash at once", n)
			}
		})
	}
	wait.Wait()
	for b.handler.places.all <- struct{}{}; len(b.handler.places.all) < cap(b.handler.places.all); {
		b.handler.places.all <- struct{}{}
	}
	w := b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("user@example.com", password))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

// Attempts at once are no way around the limits: those that waited are held against them again.
func TestManyGuesses(t *testing.T) {
	limits := generous
	limits.AccountBurst, limits.Checks, limits.Waiting = 3, 2, 100
	b := newBench(t, limits)
	b.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	checked := make(chan bool, 40)
	var wait sync.WaitGroup
	for range cap(checked) {
		wait.Go(func() {
			w := b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("user@example.com", "wrong"))
			checked <- w.Code == http.StatusUnauthorized
		})
	}
	wait.Wait()
	n := 0
	for range cap(checked) {
		if <-checked {
			n++
		}
	}
	if n < 3 || n > 4 {
		t.Errorf("%d guesses were checked, want 3, or one more that was on its way", n)
	}
}

// What is checked for those who are no users costs what it costs for users.
func TestUnknownUsersAreHashed(t *testing.T) {
	b := newBench(t, generous)
	hashes := b.Users.current().hashes
	if len(hashes) != 3 {
		t.Fatalf("got %d hashes", len(hashes))
	}
	hashed := func(email string) bool {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = b.Users.check(email, password)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc-before.TotalAlloc >= minMemory<<10
	}
	for _, email := range []string{"user@example.com", "disabled@example.com", "none@example.com", "nobody@example.com"} {
		if !hashed(email) {
			t.Errorf("no hash is made for %s", email)
		}
	}
}
