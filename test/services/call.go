package services

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// Call sends body, JSON if anything, to a server and returns its answer, whose status must be want.
func Call(t testing.TB, method, url, body string, want int) (answer []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %s %.2000s (%v), want %d", method, url, resp.Status, answer, err, want)
	}
	return answer
}
