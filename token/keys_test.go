package token

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestOpenKeysRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	f := func(content, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKeys(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: got error %v, want %q", content, err, want)
		} else if strings.Contains(err.Error(), encode(secretA)[:8]) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	key := func(more, want string) {
		t.Helper()
		f(`{"keys":[`+jwkOf(secretA, more)+`]}`, want)
	}
	k := func(k, want string) {
		t.Helper()
		f(`{"keys":[{"kty":"oct","k":`+k+`}]}`, want)
	}
	f("", "not JSON")
	f("null", "not a JSON object")
	f(secretA, "not JSON")
	f("[]", "not a JSON object")
	f("{}", `want {"keys"`)
	f(`{"keys":null}`, "not a list")
	f(`{"keys":[]}`, "no key")
	f(`{"keys":[null]}`, "not a JSON object")
	f(`{"Keys":[]}`, `want {"keys"`)
	f(`{"keys":[`+jwkOf(secretA, "")+`],"more":1}`, "nothing beside")
	f(`{"keys":[`+jwkOf(secretA, "")+`],"keys":[]}`, "two members")
	f(`{"keys":[`+jwkOf(secretA, "")+`]}{}`, "not JSON")
	f(jwkOf(secretA, ""), `want {"keys"`)
	f(`{"keys":[`+jwkOf(secretA, "")+","+jwkOf(secretA, "")+`]}`, "the same key")
	f(`{"keys":[`+jwkOf(secretA, `,"kid":"a"`)+","+jwkOf(secretB, `,"kid":"a"`)+`]}`, "the same kid")
	f(`{"keys":[`+strings.Repeat(jwkOf(secretA, "")+",", 64)+jwkOf(secretA, "")+`]}`, "more than 64")
	f(strings.Repeat(" ", maxFile+1), "more than 262144 bytes")
	f(`{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}`, "a member other than")
	f(`{"keys":[{"kty":"oct"}]}`, "0 bytes")
	k(`""`, "0 bytes")
	k(`"`+encode(secretA[:31])+`"`, "31 bytes")
	k(`"`+encode(strings.Repeat("x", 1025))+`"`, "1025 bytes")
	k(`"`+encode(secretA)+`="`, "base64url")
	k(`"`+encode(secretA)+`\n"`, "base64url")
	k(`"`+encode(secretA)[:42]+`F"`, "base64url") // spare bits
	k(`"`+strings.Repeat("+", 44)+`"`, "base64url")
	k(`["`+encode(secretA)+`"]`, "not a string")
	key(`,"kty":"oct"`, "two members")
	key(`,"K":"x"`, "two members")
	key(`,"kid":""`, "kid is not")
	key(`,"kid":1`, "kid is not a string")
	key(`,"kid":"a b"`, "kid is not")
	key(`,"kid":"`+strings.Repeat("a", 65)+`"`, "kid is not")
	key(`,"alg":"HS512"`, "alg")
	key(`,"alg":""`, "alg")
	key(`,"use":"enc"`, "use")
	key(`,"key_ops":[]`, "key_ops")
	key(`,"key_ops":["sign"]`, "key_ops")
	key(`,"iat":"1"`, "iat")
	key(`,"exp":1e9`, "exp")
	key(`,"nbf":-1`, "nbf")
	key(`,"x5c":[]`, "a member other than")

	if err := os.WriteFile(path, []byte(`{"keys":[`+jwkOf(secretA, "")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o602); err != nil {
		t.Fatal(err)
	}
	g := func(path, want string) {
		t.Helper()
		if _, err := OpenKeys(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	g(path, "chmod o-w")
	g(dir, "not a regular file")
	g(filepath.Join(dir, "none"), "no such file")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	g(pipe, "not a regular file")
}

func TestKeyThatSigns(t *testing.T) {
	f := func(keys, want string) {
		t.Helper()
		key, err := keysOf(t, `{"keys":[`+keys+`]}`).signing(now)
		if got := key.ID; got != want || (err != nil) != (want == "") {
			t.Errorf("%s: got %q and error %v, want %q", keys, got, err, want)
		}
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	a := func(more string, args ...any) string { return jwkOf(secretA, `,"kid":"a"`+fmt.Sprintf(more, args...)) }
	b := func(more string, args ...any) string { return jwkOf(secretB, `,"kid":"b"`+fmt.Sprintf(more, args...)) }
	f(a("")+","+b(""), "b") // of one age: the last
	f(a(`,"iat":2`)+","+b(`,"iat":1`), "a")
	f(a(`,"iat":2`)+","+b(""), "a")
	f(a(`,"iat":2`)+","+b(`,"iat":3,"key_ops":["verify"]`), "a")
	f(a(`,"iat":2`)+","+b(`,"iat":3,"key_ops":["verify","sign"]`), "b")
	f(a(`,"iat":2`)+","+b(`,"iat":3,"nbf":%d`, at(1)), "b") // not a second after now yet
	f(a(`,"iat":2`)+","+b(`,"iat":3,"nbf":%d`, at(time.Second)), "a")
	f(a(`,"iat":2`)+","+b(`,"iat":3,"nbf":%d`, at(0)), "b")
	f(a(`,"iat":2,"exp":%d`, at(time.Second))+","+b(""), "a")
	f(a(`,"iat":2,"exp":%d`, at(0))+","+b(""), "b")
	f(a(`,"exp":%d`, at(0)), "")
	f(a(`,"nbf":%d`, at(time.Hour)), "")
	f(a(`,"key_ops":["verify"]`), "")
}

func TestKeyThatVerifies(t *testing.T) {
	k := keysOf(t, `{"keys":[`+jwkOf(secretA, "")+`,`+jwkOf(secretB, `,"kid":"b","nbf":9999999999`)+`]}`)
	f := func(header, secret string, want error) {
		t.Helper()
		if _, err := k.Verify(forge(header, plainPayload, secret), now); !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", header, err, want)
		}
	}
	f(plainHeader, secretA, nil)
	f(plainHeader, secretB, nil) // a key that does not sign yet may sign elsewhere
	f(`{"alg":"HS256","kid":"b"}`, secretB, nil)
	f(`{"alg":"HS256","kid":""}`, secretA, ErrSignature) // a key without a name has no empty one
	f(`{"alg":"HS256","kid":"B"}`, secretB, ErrSignature)
}

// TestRotation follows tokens through a year of rotations.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	day := 24 * time.Hour
	clock := now
	rotate := func(r Rotation) {
		t.Helper()
		if err := Rotate(path, r, clock); err != nil {
			t.Fatal(err)
		}
	}
	rotate(Rotation{Delay: time.Hour, Keep: 30 * day}) // the first signs at once
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	k.clock = func() time.Time { return clock }
	sign := func() string {
		t.Helper()
		raw, err := k.Sign(Claims{Expires: clock.Add(30 * day)})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	verify := func(raw string, want error) {
		t.Helper()
		if _, err := k.Verify(raw, clock); !errors.Is(err, want) {
			t.Errorf("at %s: got error %v, want %v", stamp(clock), err, want)
		}
	}
	kid := func(raw string) string {
		t.Helper()
		id, err := checkForm(raw)
		if err != nil || id == nil {
			t.Fatalf("got kid %v, error %v", id, err)
		}
		return *id
	}

	first := sign()
	verify(first, nil)

	clock = clock.Add(day)
	rotate(Rotation{Delay: time.Hour, Keep: 30 * day})
	clock = clock.Add(30 * time.Minute)
	early := sign()
	clock = clock.Add(30 * time.Minute)
	late := sign()
	if kid(early) != kid(first) || kid(late) == kid(first) {
		t.Errorf("keys of the tokens: %s, before the delay %s, after it %s", kid(first), kid(early), kid(late))
	}
	clock = now.Add(30*day + 29*time.Second)
	verify(first, nil)
	clock = now.Add(30*day + 30*time.Second)
	verify(first, ErrExpired)
	verify(early, nil)
	clock = now.Add(31*day + time.Hour)
	verify(early, ErrSignature) // its key has ended: the token ended half an hour ago
	verify(late, nil)

	rotate(Rotation{Keep: 0}) // the key is known to somebody
	clock = clock.Add(time.Second)
	verify(late, ErrSignature)
	verify(sign(), nil)
	if n := len(k.List()); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}

func TestRotateKeepsKeys(t *testing.T) {
	f := func(old, want string, r Rotation) {
		t.Helper()
		stored, err := parseKeys([]byte(`{"keys":[` + old + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		next, err := rotate(stored, jwk{ID: "new"}, r, time.Unix(1000, 999))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, s := range next {
			got += fmt.Sprintf("%s %v %d-%d-%d %t;", s.ID, s.Tasks, s.Made, s.From, s.Until, s.ID == "new" || s.Secret == encode(secretA))
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", old, got, want)
		}
	}
	minute := Rotation{Keep: time.Minute}
	f(jwkOf(secretA, ""), " [] 0-0-1060 true;new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, `,"kid":"a","iat":7,"nbf":8,"key_ops":["verify"]`), "a [verify] 7-8-1060 true;new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, `,"exp":1059`), " [] 0-0-1059 true;new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, `,"exp":1061`), " [] 0-0-1060 true;new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, `,"exp":1001`), " [] 0-0-1001 true;new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, `,"exp":1000`), "new [] 1000-0-0 true;", minute)
	f(jwkOf(secretA, ""), "new [] 1000-0-0 true;", Rotation{})
	f(jwkOf(secretA, ""), " [] 0-0-1005 true;new [] 1000-1005-0 true;", Rotation{Delay: 5 * time.Second})
	f(jwkOf(secretA, ""), " [] 0-0-1065 true;new [] 1000-1005-0 true;", Rotation{Delay: 5 * time.Second, Keep: time.Minute})
}

func TestRotateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	f := func(r Rotation, want string) {
		t.Helper()
		before, _ := os.ReadFile(path)
		if err := Rotate(path, r, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the file has changed", want)
		}
	}
	f(Rotation{Keep: -1}, "negative")
	f(Rotation{Delay: -1}, "negative")
	for i := range maxKeys {
		if err := Rotate(path, Rotation{Keep: time.Hour}, now.Add(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
	}
	f(Rotation{Keep: time.Hour}, "64 keys still verify, the first until 2018-01-25T12:13:39Z")
	if err := os.WriteFile(path, []byte(`{"keys":[`+jwkOf("short", "")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f(Rotation{}, "5 bytes") // what it does not understand, it does not replace
	path = filepath.Join(t.TempDir(), "none", "keys.json")
	f(Rotation{}, "no such file")
}

func TestRotateReplacesFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys.json"), filepath.Join(dir, "link.json")
	if err := os.Symlink("keys.json", link); err != nil {
		t.Fatal(err)
	}
	f := func(name string, mode, want os.FileMode) {
		t.Helper()
		if mode != 0 {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := Rotate(name, Rotation{Keep: time.Hour}, now); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("got mode %v and error %v, want %v", st.Mode(), err, want)
		}
	}
	f(path, 0, 0o600)
	f(path, 0o644, 0o640)
	f(path, 0o400, 0o600)
	f(link, 0o660, 0o640)
	if target, err := os.Readlink(link); target != "keys.json" {
		t.Errorf("the link is gone: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("files left: %v", files)
	}
	keys, err := OpenKeys(path)
	if err != nil || len(keys.List()) != 4 {
		t.Errorf("got error %v and %v", err, keys)
	}
}

func TestRotateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if err := Rotate(path, Rotation{Keep: time.Hour}, now); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	keys, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(keys.List()); n != 8 {
		t.Errorf("%d keys, want 8: a rotation has lost another's key", n)
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	onlyA, onlyB := `{"keys":[`+jwkOf(secretA, "")+`]}`, `{"keys":[`+jwkOf(secretB, "")+`]}`
	write(onlyA)
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	clock := k.looked
	k.clock = func() time.Time { return clock }
	var told []string
	k.Changed = func(err error) { told = append(told, fmt.Sprint(err)) }
	f := func(after time.Duration, wantA, wantB error, want ...string) {
		t.Helper()
		told = nil
		clock = clock.Add(after)
		for range 2 { // the second finds nothing new
			_, errA := k.Verify(forge(plainHeader, plainPayload, secretA), now)
			_, errB := k.Verify(forge(plainHeader, plainPayload, secretB), now)
			if !errors.Is(errA, wantA) || !errors.Is(errB, wantB) {
				t.Errorf("got %v and %v, want %v and %v", errA, errB, wantA, wantB)
			}
		}
		if len(told) != len(want) {
			t.Fatalf("told %q, want %q", told, want)
		}
		for i, w := range want {
			if !strings.Contains(told[i], w) {
				t.Errorf("told %q, want %q", told, want)
			}
		}
	}
	f(time.Second, nil, ErrSignature)
	write(onlyB)
	f(999*time.Millisecond, nil, ErrSignature)
	f(time.Millisecond, ErrSignature, nil, "<nil>")
	write("{")
	f(time.Second, ErrSignature, nil, "not JSON")
	f(time.Second, ErrSignature, nil)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	f(time.Second, ErrSignature, nil, "no such file")
	write(onlyB) // as it was
	f(time.Second, ErrSignature, nil, "<nil>")
	write(`{"keys":[]}`)
	f(time.Second, ErrSignature, nil, "no key")
	write(onlyA)
	f(time.Second, nil, ErrSignature, "<nil>")
	write(`{"keys":[]}`)
	f(time.Second, nil, ErrSignature, "no key") // once more, as it was fine in between
	write(onlyB)
	f(-time.Hour, ErrSignature, nil, "<nil>") // the clock was set back
}

// TestUseWhileChanging is for the race detector; a key that is in the file all the time always verifies.
func TestUseWhileChanging(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := Rotate(path, Rotation{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	var ticks sync.Mutex
	clock := time.Now()
	k.clock = func() time.Time { // every look is due
		ticks.Lock()
		defer ticks.Unlock()
		clock = clock.Add(lookAgain)
		return clock
	}
	start := time.Now()
	raw, err := k.Sign(Claims{IssuedAt: start, Expires: start.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 200 {
				if _, err := k.Verify(raw, start); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		if err := Rotate(path, Rotation{Keep: time.Hour}, start); err != nil {
			t.Error(err)
		}
	}
	wait.Wait()
}

// TestNothingShowsSecrets prints keys in every way there is.
func TestNothingShowsSecrets(t *testing.T) {
	k := twoKeys(t)
	var all strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, k.List(), k.List()[0], &k.List()[0]} {
			fmt.Fprintf(&all, verb+"\n", value)
		}
	}
	for _, secret := range []string{secretA, encode(secretA), fmt.Sprintf("%x", secretA), strings.Trim(fmt.Sprint([]byte(secretA)), "[]")} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("a key is shown: %s", secret)
		}
	}
}

func TestRotateEvery(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const day = 24 * time.Hour
	f := func(at, wantNext time.Duration, wantKeys int) {
		t.Helper()
		next, err := RotateEvery(path, day, Rotation{Delay: time.Minute, Keep: day}, now.Add(at))
		if err != nil || !next.Equal(now.Add(wantNext)) {
			t.Fatalf("got %v and error %v, want %v", next, err, now.Add(wantNext))
		}
		keys, err := OpenKeys(path)
		if err != nil || len(keys.List()) != wantKeys {
			t.Errorf("got %d keys and error %v, want %d", len(keys.List()), err, wantKeys)
		}
	}
	f(0, day, 1) // there is no file yet
	f(0, day, 1)
	f(day-time.Second, day, 1)
	f(day, 2*day, 2)
	f(day, 2*day, 2)
	f(day-time.Minute, 2*day, 2) // another process, whose clock is behind
	f(3*day, 4*day, 2)           // the first has reached its end: a token that it signed last has, too

	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(`{"keys":[`+jwkOf(secretA, more)+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	write("")
	f(0, day, 2) // of unknown age
	write(fmt.Sprintf(`,"iat":%d`, at(-time.Hour)))
	f(0, 23*time.Hour, 1)
	write(fmt.Sprintf(`,"iat":%d,"key_ops":["verify"]`, at(-time.Hour)))
	f(0, day, 2)
	write(fmt.Sprintf(`,"iat":%d,"exp":%d`, at(-time.Hour), at(time.Hour)))
	f(0, day, 2)
	write(fmt.Sprintf(`,"iat":%d,"exp":%d`, at(-time.Hour), at(100*day)))
	f(0, 23*time.Hour, 1)
	write(fmt.Sprintf(`,"iat":%d`, at(time.Minute)))
	f(0, day+time.Minute, 1)
	write(fmt.Sprintf(`,"iat":%d`, at(3*day))) // made while the clock was wrong
	f(0, day, 2)
	f(0, day, 2)

	bad := func(every time.Duration, r Rotation, want string) {
		t.Helper()
		if _, err := RotateEvery(path, every, r, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	bad(time.Second, Rotation{}, "at least a minute")
	bad(time.Hour, Rotation{Keep: 63 * time.Hour}, "62th of how long")
	bad(time.Hour, Rotation{Keep: -1}, "negative")
	write(`,"alg":"none"`)
	bad(time.Hour, Rotation{}, "alg")
}

func TestRotateEveryAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	for turn := range 3 {
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				if _, err := RotateEvery(path, time.Hour, Rotation{Keep: 24 * time.Hour}, now.Add(time.Duration(turn)*time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if keys, err := OpenKeys(path); err != nil || len(keys.List()) != turn+1 {
			t.Errorf("turn %d: %d keys and error %v", turn, len(keys.List()), err)
		}
	}
}

// A token that was signed in the last moment before the next key took over holds until it expires.
func TestRotateEveryKeepsTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const life, delay = time.Hour, time.Minute
	r := Rotation{Delay: delay, Keep: life + 30*time.Second}
	turn := func(at time.Time) *Keys {
		t.Helper()
		if _, err := RotateEvery(path, 10*time.Minute, r, at); err != nil {
			t.Fatal(err)
		}
		k, err := OpenKeys(path)
		if err != nil {
			t.Fatal(err)
		}
		k.clock = func() time.Time { return at }
		return k
	}
	turn(now)
	k := turn(now.Add(10 * time.Minute))
	signed := now.Add(10*time.Minute + delay - time.Second)
	raw, err := k.Sign(Claims{IssuedAt: signed, Expires: signed.Add(life)})
	if err != nil {
		t.Fatal(err)
	}
	for at := now.Add(20 * time.Minute); at.Before(signed.Add(life)); at = at.Add(10 * time.Minute) {
		if _, err := turn(at).Verify(raw, at); err != nil {
			t.Fatalf("at %v: %v", at, err)
		}
	}
	if _, err := k.Verify(raw, signed.Add(life+29*time.Second)); err != nil {
		t.Error(err)
	}
	if n := len(turn(now.Add(10 * time.Hour)).List()); n != 2 {
		t.Errorf("%d keys are kept, want the youngest two", n)
	}
}
