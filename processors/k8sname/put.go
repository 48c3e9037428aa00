package k8sname

import "github.com/elastic/beats/v7/libbeat/common"

// Fields are what a name means, in ECS and the Beats' kubernetes.*, for inputs that know the name
// of all their events beforehand. They can be put into any number of events, by any goroutine.
type Fields struct{ tree *tree }

// Fields returns what the processor writes by default for the name of a container on host.
func (n Name) Fields(host string) Fields {
	t := new(tree)
	t.ecs("", n, host, "unambiguous")
	return Fields{t}
}

// Put writes the fields, in maps of m's own, and leaves alone what m has.
func (f Fields) Put(m common.MapStr) { f.tree.merge(m) }
