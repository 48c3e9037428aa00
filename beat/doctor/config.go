package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/elastic/beats/v7/libbeat/paths"
)

// owner is the user id that a file belongs to.
func owner(info os.FileInfo) (uid int, ok bool) {
	if info == nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// userName is a user's name, or its number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// checkUser says whose rights the other checks see.
func checkUser(_ context.Context, s *subject) []Finding {
	me := os.Geteuid()
	info, err := os.Stat(paths.Paths.Data)
	if err != nil {
		return one(OK, "the checks have the rights of %s", userName(me))
	}
	var f findings
	if uid, ok := owner(info); ok && uid != me {
		f.add(Warning, fmt.Sprintf("run doctor as the user that podbeat runs as, with its groups: setpriv --reuid %d --init-groups podbeat doctor …", uid),
			"the checks have the rights of %s, but %s belongs to %s: podbeat may not have the same rights", userName(me), paths.Paths.Data, userName(uid))
	}
	return f.or("the checks have the rights of %s, to whom %s belongs", userName(me), paths.Paths.Data)
}

// literalSecret is a secret that stands in the file itself.
var literalSecret = regexp.MustCompile(`(?m)^[^#\n]*\b(password|api_key|passphrase|token|secret)["']?\s*:\s*["']?[^\s"'$#{]`)

func checkConfigRights(_ context.Context, s *subject) []Finding {
	var f findings
	for _, name := range s.files {
		info, err := os.Stat(name)
		if err != nil {
			f.add(Problem, "give the file that podbeat is started with: -c", "cannot read the configuration: %v", err)
			continue
		}
		uid, _ := owner(info)
		switch mode := info.Mode().Perm(); {
		case mode&0o022 != 0:
			f.add(Problem, "chmod go-w "+name, "others than its owner may write %s (%v): podbeat refuses it, unless --strict.perms=false", name, mode)
		case uid != 0 && uid != os.Geteuid():
			f.add(Warning, "chown root "+name, "%s belongs to %s: podbeat refuses it when it runs as any user but that one", name, userName(uid))
		case mode&0o004 != 0:
			if text, err := readFile(name); err == nil && literalSecret.Match(text) {
				f.add(Warning, "chmod o-r "+name+", or keep the secret in the keystore: podbeat keystore add NAME, and ${NAME} in the file",
					"%s has a secret in it, and every user can read it (%v)", name, mode)
			}
		}
	}
	return f.or("only their owner may write %s", few(s.files))
}

func checkKeystore(_ context.Context, s *subject) []Finding {
	name, err := s.Root.String("keystore.path", -1)
	if err != nil || name == "" {
		name = data(s.name + ".keystore")
	}
	info, err := os.Stat(name)
	if os.IsNotExist(err) {
		return one(OK, "there is no keystore")
	}
	var f findings
	switch {
	case err != nil:
		f.add(Problem, "let podbeat's user into the folder", "cannot look at the keystore: %v", err)
	case info.Mode().Perm()&0o077 != 0:
		f.add(Warning, "chmod 600 "+name, "others than its owner may read the keystore %s (%v), whose secrets are not encrypted with a password", name, info.Mode().Perm())
	}
	if uid, ok := owner(info); ok && uid != os.Geteuid() && uid != 0 {
		f.add(Warning, "chown it to podbeat's user", "the keystore %s belongs to %s", name, userName(uid))
	}
	return f.or("%s can be read by its owner only", name)
}

func checkHTTP(_ context.Context, s *subject) []Finding {
	if on, err := s.Root.Bool("http.enabled", -1); err != nil || !on {
		return one(OK, "it is off")
	}
	where, err := s.Root.String("http.host", -1)
	if err != nil {
		where = "localhost"
	}
	if name, ok := strings.CutPrefix(where, "unix://"); ok {
		return one(OK, "it is the socket %s", name)
	}
	where = strings.TrimPrefix(where, "http://")
	if h, _, err := net.SplitHostPort(where); err == nil {
		where = h
	}
	ip := net.ParseIP(where)
	if where == "localhost" || ip.IsLoopback() {
		return one(OK, "it is for this machine only: %s", where)
	}
	var f findings
	f.add(Warning, "set http.host to localhost or unix:///run/podbeat/http.sock, or let only those in who ask for figures: a firewall, a NetworkPolicy",
		"everybody who reaches %q is answered, without a password", where)
	return f
}

// badConfig is the finding of a configuration that cannot be read, or refuses to be used.
func badConfig(err error) Finding {
	do := "mend the configuration; podbeat test config says the same"
	if strings.Contains(err.Error(), "missing field") { // go-ucfg's words for a ${NAME} that nobody knows
		do = "give what ${NAME} in that setting stands for: in the environment, in the keystore (podbeat keystore add NAME) or as a file in the folder of secrets"
	}
	return Finding{ID: "config", State: Problem, Found: err.Error(), Do: do}
}

// within says whether path is dir, or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
