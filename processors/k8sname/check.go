package k8sname

import "strings"

// The checks of a name's parts, as Kubernetes makes them (k8s.io/apimachinery, util/validation),
// by hand because a regular expression costs ten times as much.

func isContainer(s string) bool { return s == PauseContainer || isLabel(s) }

// isLabel is a DNS label as of RFC 1123: 1 to 63 of [a-z0-9-], no dash at either end.
func isLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isLowerAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// isSubdomain is a DNS subdomain as Kubernetes has it: 1 to 253 bytes of [a-z0-9-.], each of the
// words between the dots without a dash at either end, and without a limit of its own.
func isSubdomain(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	before := byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case isLowerAlnum(c):
		case c == '-' && before != '.':
		case c == '.' && before != '.' && before != '-':
		default:
			return false
		}
		before = c
	}
	return before != '.' && before != '-'
}

// isUID is a UUID in lower case, or the 32 hex digits that are a static pod's.
func isUID(s string) bool {
	switch len(s) {
	case 32:
		return isHex(s, 32, 32)
	case 36:
		return s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' && isLegacyUID(s)
	}
	return false
}

// isLegacyUID is a UUID any of whose dashes may be missing, as M-133 has it.
func isLegacyUID(s string) bool {
	for i, digits := range [...]int{8, 4, 4, 4, 12} {
		if i > 0 {
			s = strings.TrimPrefix(s, "-")
		}
		if len(s) < digits || !isHex(s[:digits], digits, digits) {
			return false
		}
		s = s[digits:]
	}
	return s == ""
}

// isLegacyPod is M-133's [a-zA-Z0-9\-]+-[a-z0-9]+.
func isLegacyPod(s string) bool {
	i := strings.LastIndexByte(s, '-')
	if i < 1 || i == len(s)-1 || !isAlnumDash(s[:i]) {
		return false
	}
	for _, c := range []byte(s[i+1:]) {
		if !isLowerAlnum(c) {
			return false
		}
	}
	return true
}

// isAlnumDash is M-133's [a-zA-Z0-9\-]+.
func isAlnumDash(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return s != ""
}

// isAttempt is a 32-bit number as %d prints it.
func isAttempt(s string) bool {
	return isDigits(s) && len(s) <= 10 && (s[0] != '0' || len(s) == 1)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isHex is min to max hex digits in lower case.
func isHex(s string, min, max int) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) >= min && len(s) <= max
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
