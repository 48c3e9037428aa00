package curator

import "testing"

func TestDryRunByEnv(t *testing.T) {
	f := func(value string, want, wantErr bool) {
		t.Helper()
		got, err := dryRunByEnv(func(string) (string, bool) { return value, value != "" })
		if got != want || (err != nil) != wantErr {
			t.Errorf("ESCLIENT_DRY_RUN=%q: %v, %v", value, got, err)
		}
	}
	f("", false, false)
	f("true", true, false)
	f("1", true, false)
	f("Yes", true, false)
	f("off", false, false)
	f("0", false, false)
	f("maybe", true, true) // nothing is done by a word that nobody understands
}
