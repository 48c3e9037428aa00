package main

import "github.com/podbeat/podbeat/bench/peer"

const podbeatConfig = `
podbeat.inputs:
- type: journal
  id: node
  paths: ["${JOURNAL}"]
  seek: head
processors:
- k8sname: ~
- pausedrop: ~
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const filebeatConfig = `
filebeat.inputs:
- type: journald
  id: node
  paths: ["${JOURNAL}"]
  seek: head
output.elasticsearch.hosts: ["${SINK}"]
setup.template.enabled: false
setup.ilm.enabled: false
logging.level: warning
`

const tuned = `
output.elasticsearch.bulk_max_size: 2048
queue.mem: {events: 16384, flush.min_events: 2048, flush.timeout: 1s}
`

// shippers are all there are. The first is what the others are compared with.
func shippers(e expectation) []peer.Shipper {
	podbeat := peer.Shipper{
		Label: "podbeat", Binary: "podbeat", Args: []string{"./cmd/podbeat"}, Config: podbeatConfig,
		Docs: int64(e.Messages - len(e.Pause)), Tokens: e.Messages,
		Verify: func(missing []int) error { return e.verify(missing, true) },
	}
	filebeat := peer.Shipper{
		Label: "filebeat 7.17.29 defaults", Binary: "filebeat", Module: "bench/filebeat", Args: []string{"-tags", "withjournald", "."},
		Config: filebeatConfig, Docs: int64(e.Messages), Tokens: e.Messages,
		Verify: func(missing []int) error { return e.verify(missing, false) },
	}
	large := filebeat
	large.Label, large.Config = "filebeat 7.17.29 bulk 2048", filebeatConfig+tuned
	return []peer.Shipper{podbeat, filebeat, large}
}
