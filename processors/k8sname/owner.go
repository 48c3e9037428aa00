package k8sname

import (
	"strconv"
	"strings"
)

// A Confidence says how far an Owner can be trusted.
type Confidence string

const (
	// Only a generated name looks like this: another kind would have to imitate it on purpose.
	Unambiguous Confidence = "unambiguous"
	// One kind generates such names, but people write them too (web-0).
	Likely Confidence = "likely"
	// Several kinds generate such names.
	Possible Confidence = "possible"
	// Nothing can be said.
	None Confidence = "none"
)

// An Owner is the controller of a pod as far as the pod's name tells. Kubernetes writes owners
// nowhere but in its API.
type Owner struct {
	Kinds      []string // deployment, replicaset, statefulset, daemonset, job, cronjob, static_pod; the caller must not write to it
	Name       string   // of the owner; empty if only the kind is known
	Under      string   // the name of what stands between: a Deployment's ReplicaSet, a CronJob's Job
	Confidence Confidence
	Rule       string // why, in words
}

var (
	deployment  = []string{"deployment"}
	statefulSet = []string{"statefulset"}
	job         = []string{"job"}
	cronJob     = []string{"cronjob"}
	staticPod   = []string{"static_pod"}
	oneOfMany   = []string{"daemonset", "job", "replicaset"}
)

const (
	maxGenerated = 63 // Kubernetes cuts what it generates to it: maxNameLength in apiserver/pkg/storage/names
	suffixLength = 5
)

// Owner infers the pod's controller. Host is the node's name, or its host name in the short or in
// the long form; it is needed for static pods only.
//
// The shapes are those of Kubernetes' sources up to 1.34: names.SimpleNameGenerator for the five
// random letters, ComputeHash and rand.SafeEncodeString for the hash of a pod template,
// getJobName of the CronJob controllers, podGenerateNameWithIndex, getPodName of StatefulSets,
// and generatePodName of static pods.
func (n Name) Owner(host string) Owner {
	if n.Pod == "" {
		return Owner{Confidence: None, Rule: "the name does not hold the pod's name"}
	}
	if node, ok := cutNode(n.Pod, host); len(n.UID) == 32 {
		if !ok {
			return Owner{Kinds: staticPod, Confidence: Likely, Rule: "a uid without dashes is a static pod's; its own name ends where the node's begins, which is not this host's"}
		}
		return Owner{Kinds: staticPod, Name: node, Confidence: Unambiguous, Rule: "a uid without dashes is a static pod's, and the name ends with the node's"}
	} else if ok && n.UID == "" {
		return Owner{Kinds: staticPod, Name: node, Confidence: Likely, Rule: "the name ends with the node's, as a static pod's does"}
	}
	if base, suffix, ok := cutDash(n.Pod); ok && n.isSuffix(suffix) {
		if o := n.generated(base, suffix); o.Rule != "" {
			return o
		}
	}
	if len(n.Pod) == maxGenerated && isRandom(n.Pod[maxGenerated-suffixLength:]) {
		return Owner{Confidence: None, Rule: "cannot be inferred: at 63 letters Kubernetes cuts the owner's name, its hash first"}
	}
	if base, ordinal, ok := cutDash(n.Pod); ok && isAttempt(ordinal) {
		return Owner{Kinds: statefulSet, Name: base, Confidence: Likely, Rule: "<statefulset>-<ordinal>, which could be a bare pod's name too"}
	}
	return Owner{Confidence: None, Rule: "not a name that Kubernetes generates: a bare pod"}
}

// generated infers the owner of <base>-<5 random letters>. The last word of base, if it is
// generated itself, tells the kind.
func (n Name) generated(base, suffix string) Owner {
	outer, token, ok := cutDash(base)
	if !ok {
		outer, token = "", ""
	}
	atLimit := len(n.Pod) == maxGenerated
	switch {
	case isTemplateHash(token) && len(token) >= 8:
		return Owner{deployment, outer, base, Unambiguous, "<deployment>-<hash of 8 to 10 of [bcdf4-9]>-<5 random letters>"}
	case isCronTime(token) && n.Form != Dockertools:
		return Owner{cronJob, outer, base, Unambiguous, "<cronjob>-<scheduled time, in minutes or in seconds>-<5 random letters>"}
	case isDecimalHash(token) && n.Form == Dockertools:
		return Owner{deployment, outer, base, Unambiguous, "<deployment>-<decimal hash>-<5 random letters>, as up to Kubernetes 1.7"}
	case atLimit:
		return Owner{}
	case isDecimalHash(token):
		return Owner{deployment, outer, base, Possible, "<deployment>-<decimal hash>-<5 random letters> as in Kubernetes 1.6 and 1.7, or a number that somebody gave"}
	case isTemplateHash(token) && len(token) >= 6:
		return Owner{deployment, outer, base, Likely, "<deployment>-<hash>-<5 random letters>, but one hash in 400 is so short"}
	case isAttempt(token) && len(token) <= 6:
		if cron, time, ok := cutDash(outer); ok && isCronTime(time) {
			return Owner{cronJob, cron, outer, Unambiguous, "<cronjob>-<scheduled time>-<index>-<5 random letters>"}
		}
		return Owner{job, outer, "", Possible, "<indexed job>-<index>-<5 random letters>, or the owner's own name ends with a number"}
	case isRandom(suffix) || strings.ContainsAny(suffix, "0123456789"):
		return Owner{oneOfMany, base, "", Possible, "<owner>-<5 random letters>: a DaemonSet, Job, ReplicaSet or ReplicationController"}
	}
	return Owner{}
}

// isSuffix tells whether s can be the random end of a pod's name. Kubernetes left out what could
// make up words from 1.6 on, so names from before have any letter and digit.
func (n Name) isSuffix(s string) bool {
	return isRandom(s) || n.Form == Dockertools && len(s) == suffixLength
}

// isRandom is five of the letters of rand.String: no vowels, no 0, 1, 3, no y.
func isRandom(s string) bool {
	for i := range len(s) {
		if strings.IndexByte("bcdfghjklmnpqrstvwxz2456789", s[i]) < 0 {
			return false
		}
	}
	return len(s) == suffixLength
}

// isTemplateHash is a 32-bit number whose decimal digits SafeEncodeString turned into letters:
// 0 to 9 are 4 5 6 7 8 9 b c d f, for each is alphabet[digit's character code modulo 27].
func isTemplateHash(s string) bool {
	var n uint64
	for i := range len(s) {
		digit := strings.IndexByte("456789bcdf", s[i])
		if digit < 0 || i >= 10 {
			return false
		}
		n = n*10 + uint64(digit)
	}
	return s != "" && n <= 1<<32-1 && (s[0] != '4' || len(s) == 1)
}

// isDecimalHash is a 32-bit number of 8 to 10 digits that is no date like 20170509.
func isDecimalHash(s string) bool {
	if len(s) < 8 || len(s) > 10 || !isAttempt(s) {
		return false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	month, day := n/100%100, n%100
	date := len(s) == 8 && n > 1990_00_00 && n < 2100_00_00 && month >= 1 && month <= 12 && day >= 1 && day <= 31
	return err == nil && !date
}

// isCronTime is the scheduled time in a Job's name: minutes since 1970 from Kubernetes 1.21 on,
// before that seconds, whole minutes always. The years from 2016 to 2040 are believed.
func isCronTime(s string) bool {
	if !isAttempt(s) || len(s) != 8 && len(s) != 10 {
		return false
	}
	n, _ := strconv.ParseUint(s, 10, 64)
	if len(s) == 10 {
		if n%60 != 0 {
			return false
		}
		n /= 60
	}
	const year2016, year2040 = 24_193_440, 36_816_480 // in minutes since 1970
	return n >= year2016 && n < year2040
}

// cutNode cuts -<node> off a static pod's name. The node may be called by the long or by the
// short form of the host's name, whichever of the two we know.
func cutNode(pod, host string) (string, bool) {
	if host == "" || len(host) > 253 {
		return "", false
	}
	host = strings.ToLower(host)
	if name, ok := strings.CutSuffix(pod, "-"+host); ok && name != "" {
		return name, true
	}
	short, _, dotted := strings.Cut(host, ".")
	if short == "" {
		return "", false
	}
	if name, ok := strings.CutSuffix(pod, "-"+short); ok && name != "" {
		return name, true
	}
	if dotted {
		return "", false
	}
	i := strings.LastIndex(pod, "-"+short+".")
	return pod[:max(i, 0)], i > 0
}

// cutDash splits s at its last dash; neither side may be empty.
func cutDash(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i <= 0 || i == len(s)-1 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
