package action

import (
	"fmt"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/setting"
)

// Wait says whether and how an action waits for its end. The structs of this name differ in defaults alone,
// and convert into each other.
type Wait struct {
	// Wait until it is done.
	WaitForCompletion bool `config:"wait_for_completion" default:"false"`
	// Seconds between two looks whether it is done.
	WaitInterval time.Duration `config:"wait_interval" default:"3" min:"1" max:"30"`
	// Seconds to wait at most; -1 is for ever.
	MaxWait time.Duration `config:"max_wait" default:"-1" min:"-1"`
}

// LongWait is Wait for what takes long.
type LongWait struct {
	// Wait until it is done.
	WaitForCompletion bool `config:"wait_for_completion" default:"true"`
	// Seconds between two looks whether it is done.
	WaitInterval time.Duration `config:"wait_interval" default:"9" min:"1" max:"30"`
	// Seconds to wait at most; -1 is for ever.
	MaxWait time.Duration `config:"max_wait" default:"-1" min:"-1"`
}

// Alias adds indices to an alias and takes others from it: those that the filters under `add:` and `remove:` choose.
type Alias struct {
	// The alias. strftime's letters (`%Y`) stand for the time of the run in UTC, and date math (`<logs-{now/d}>`) works.
	Name string `config:"name" required:"true"`
	// Only warn if the filters of `add` or `remove` leave nothing.
	WarnIfNoIndices bool `config:"warn_if_no_indices" default:"false"`
	// What else each new alias gets: `filter`, `routing` …
	ExtraSettings map[string]any `config:"extra_settings"`
}

// Allocation sets on which nodes the shards of indices may be.
type Allocation struct {
	Search `config:",inline"`
	// The attribute of nodes that counts.
	Key string `config:"key" required:"true"`
	// What the attribute has to be; without it the setting is taken away.
	Value string `config:"value"`
	// `require`, `include` or `exclude`.
	AllocationType string `config:"allocation_type" default:"require" oneof:"require|include|exclude"`
	Wait           `config:",inline"`
}

// Close closes indices.
type Close struct {
	Search `config:",inline"`
	// Take the indices out of all aliases first.
	DeleteAliases bool `config:"delete_aliases" default:"false"`
	// Don't flush the indices first.
	SkipFlush bool `config:"skip_flush" default:"false"`
}

// ClusterRouting switches the allocation or the rebalancing of shards in the whole cluster.
type ClusterRouting struct {
	// `allocation` or `rebalance`.
	RoutingType string `config:"routing_type" required:"true" oneof:"allocation|rebalance"`
	// `enable`, the only one there is.
	Setting string `config:"setting" required:"true" oneof:"enable"`
	// `all`, `primaries` or `none`; for allocation also `new_primaries`, for rebalance also `replicas`.
	Value string `config:"value" required:"true" oneof:"all|primaries|none|new_primaries|replicas"`
	Wait  `config:",inline"`
}

// Validate refuses values of the other routing type.
func (c *ClusterRouting) Validate() error {
	if c.RoutingType == "allocation" && c.Value == "replicas" || c.RoutingType == "rebalance" && c.Value == "new_primaries" {
		return setting.Wrong("value", "option \"value\" must not be %q with routing_type %q", c.Value, c.RoutingType)
	}
	return nil
}

// CreateIndex makes an empty index.
type CreateIndex struct {
	// The index. strftime's letters (`%Y`) stand for the time of the run in UTC, and date math (`<logs-{now/d}>`) works.
	Name string `config:"name" required:"true"`
	// It is no error if the index exists.
	IgnoreExisting bool `config:"ignore_existing" default:"false"`
	// Its `settings`, `mappings` and `aliases`.
	ExtraSettings map[string]any `config:"extra_settings"`
}

// DeleteIndices deletes indices.
type DeleteIndices struct {
	Search `config:",inline"`
}

// DeleteSnapshots deletes snapshots.
type DeleteSnapshots struct {
	// Where the snapshots are.
	Repository string `config:"repository" required:"true"`
	// Seconds between two tries while another snapshot is being taken.
	RetryInterval time.Duration `config:"retry_interval" default:"120" min:"1" max:"600"`
	// How often to try again.
	RetryCount int `config:"retry_count" default:"3" min:"0" max:"100"`
}

// ForceMerge merges the segments of indices, one index after the other.
type ForceMerge struct {
	Search `config:",inline"`
	// Segments that a shard may keep.
	MaxNumSegments int `config:"max_num_segments" required:"true" min:"1" max:"32768"`
	// Seconds to pause between two indices.
	Delay time.Duration `config:"delay" default:"0" min:"0" max:"3600"`
}

// IndexSettings changes settings of indices.
type IndexSettings struct {
	Search `config:",inline"`
	// The settings, below `index:`.
	IndexSettings map[string]any `config:"index_settings" required:"true"`
	// It is no error if an index is missing or closed.
	IgnoreUnavailable bool `config:"ignore_unavailable" default:"false"`
	// Leave settings alone that an index has already.
	PreserveExisting bool `config:"preserve_existing" default:"false"`
}

// Validate wants the settings below index alone, as Elasticsearch does.
func (s *IndexSettings) Validate() error {
	for name := range s.IndexSettings {
		if name != "index" {
			return setting.Wrong("index_settings", "option \"index_settings\" has %q: write the settings below index:, as index_settings: {index: {refresh_interval: 5s}}", name)
		}
	}
	if in, ok := s.IndexSettings["index"].(map[string]any); !ok || len(in) == 0 {
		return setting.Wrong("index_settings", "option \"index_settings\" has no settings: write them below index:, as index_settings: {index: {refresh_interval: 5s}}")
	}
	return nil
}

// Open opens indices.
type Open struct {
	Search `config:",inline"`
}

// Reindex copies documents between indices, also from another cluster.
type Reindex struct {
	// The request, as Elasticsearch's reindex takes it.
	RequestBody ReindexBody `config:"request_body" required:"true"`
	// Refresh the indices written to.
	Refresh bool `config:"refresh" default:"true"`
	// Documents per second at most; -1 is as many as can be.
	RequestsPerSecond int `config:"requests_per_second" default:"-1" min:"-1"`
	// Parts that are copied at the same time.
	Slices int `config:"slices" default:"1" min:"1" max:"500"`
	// Seconds that each bulk request waits for unavailable shards.
	Timeout time.Duration `config:"timeout" default:"60" min:"1"`
	// Copies of each shard that must be there, or `all`.
	WaitForActiveShards string `config:"wait_for_active_shards" default:"1"`
	LongWait            `config:",inline"`
	// The authorities to trust with a remote cluster: a file, PEM.
	RemoteCertificate string `config:"remote_certificate"`
	// The client certificate for a remote cluster: a file, PEM.
	RemoteClientCert string `config:"remote_client_cert"`
	// Its key: a file, PEM.
	RemoteClientKey string `config:"remote_client_key"`
	// Which indices of a remote cluster REINDEX_SELECTION stands for, as filters; without them none.
	RemoteFilters []any `config:"remote_filters"`
	// With `dest.index: MIGRATION`, what goes before each index's name.
	MigrationPrefix string `config:"migration_prefix"`
	// With `dest.index: MIGRATION`, what goes after each index's name.
	MigrationSuffix string `config:"migration_suffix"`

	Remote []filter.Filter `config:"-"` // RemoteFilters, checked
}

// Validate checks what tags cannot say.
func (r *Reindex) Validate() error { return activeShards(r.WaitForActiveShards) }

// ReindexBody is the body of a reindex request.
type ReindexBody struct {
	// What happens on a conflict of versions: `proceed` or `abort`.
	Conflicts string `config:"conflicts" json:"conflicts,omitempty" oneof:"proceed|abort"`
	// Documents to copy at most.
	MaxDocs *int64 `config:"max_docs" alias:"size" json:"max_docs,omitempty"`
	// Where from.
	Source ReindexSource `config:"source" json:"source" required:"true"`
	// Where to.
	Dest ReindexDest `config:"dest" json:"dest" required:"true"`
	// What to do to each document: `source` and `lang`.
	Script map[string]any `config:"script" json:"script,omitempty"`
}

// ReindexSource is where documents come from.
type ReindexSource struct {
	// One index or several; REINDEX_SELECTION stands for those that the filters leave.
	Index []string `config:"index" json:"index" required:"true"`
	// Types of documents, before Elasticsearch 8.
	Type []string `config:"type" json:"type,omitempty"`
	// Which documents.
	Query map[string]any `config:"query" json:"query,omitempty"`
	// Another cluster.
	Remote *ReindexRemote `config:"remote" json:"remote,omitempty"`
	// Documents per batch.
	Size *int64 `config:"size" json:"size,omitempty"`
	// In which order.
	Sort any `config:"sort" json:"sort,omitempty"`
	// Which fields.
	Fields any `config:"_source" json:"_source,omitempty"`
}

// ReindexRemote is another cluster to copy from.
type ReindexRemote struct {
	// Its URL, `https://host:port`.
	Host string `config:"host" json:"host,omitempty"`
	// A user there.
	Username string `config:"username" json:"username,omitempty"`
	// The user's password.
	Password string `config:"password" json:"password,omitempty" secret:"true"`
	// As `1m`.
	SocketTimeout string `config:"socket_timeout" json:"socket_timeout,omitempty"`
	// As `10s`.
	ConnectTimeout string `config:"connect_timeout" json:"connect_timeout,omitempty"`
	// Headers to send.
	Headers any `config:"headers" json:"headers,omitempty" secret:"true"`
}

// ReindexDest is where documents go.
type ReindexDest struct {
	// The index; MIGRATION stands for each source's name with migration_prefix and migration_suffix.
	Index string `config:"index" json:"index" required:"true"`
	// `internal`, `external`, `external_gt` or `external_gte`.
	VersionType string `config:"version_type" json:"version_type,omitempty" oneof:"internal|external|external_gt|external_gte"`
	// `create` copies only documents that are missing.
	OpType string `config:"op_type" json:"op_type,omitempty"`
	// The shard's routing.
	Routing string `config:"routing" json:"routing,omitempty"`
	// The type of documents, before Elasticsearch 8.
	Type string `config:"type" json:"type,omitempty"`
	// An ingest pipeline.
	Pipeline string `config:"pipeline" json:"pipeline,omitempty"`
}

// Replicas sets how many replicas indices have.
type Replicas struct {
	Search `config:",inline"`
	// Replicas of each shard.
	Count int `config:"count" required:"true" min:"0" max:"10"`
	Wait  `config:",inline"`
}

// Restore restores indices from a snapshot.
type Restore struct {
	// Where the snapshots are.
	Repository string `config:"repository" required:"true"`
	// The snapshot; without it the newest that the filters leave, which must have succeeded.
	Name string `config:"name"`
	// Which of its indices; without it all.
	Indices []string `config:"indices"`
	// Pass over indices that the snapshot has not.
	IgnoreUnavailable bool `config:"ignore_unavailable" default:"false"`
	// Restore the aliases, too.
	IncludeAliases bool `config:"include_aliases" default:"false"`
	// Restore the state of the cluster, too.
	IncludeGlobalState bool `config:"include_global_state" default:"false"`
	// Restore also indices that lack shards.
	Partial bool `config:"partial" default:"false"`
	// Regular expression of the part of a name to replace.
	RenamePattern string `config:"rename_pattern"`
	// What replaces it.
	RenameReplacement string `config:"rename_replacement"`
	// What else goes into the request: `index_settings` …
	ExtraSettings map[string]any `config:"extra_settings"`
	LongWait      `config:",inline"`
	// Don't check first that every node reaches the repository.
	SkipRepoFSCheck bool `config:"skip_repo_fs_check" default:"true"`
}

// Rollover lets an alias write to a new index.
type Rollover struct {
	// The alias.
	Name string `config:"name" required:"true"`
	// The name of the new index; without it the old one's number plus one.
	NewIndex string `config:"new_index"`
	// When; any of them is enough.
	Conditions Conditions `config:"conditions"`
	// `settings`, `mappings` and `aliases` of the new index.
	ExtraSettings map[string]any `config:"extra_settings"`
	// Copies of each shard that must be there, or `all`.
	WaitForActiveShards string `config:"wait_for_active_shards" default:"0"`
}

// Validate checks what tags cannot say.
func (r *Rollover) Validate() error { return activeShards(r.WaitForActiveShards) }

// Conditions say when an alias rolls over.
type Conditions struct {
	// The age of the index, as `7d`.
	MaxAge string `config:"max_age" json:"max_age,omitempty"`
	// Its documents.
	MaxDocs *int64 `config:"max_docs" json:"max_docs,omitempty"`
	// The size of its primaries, as `50gb`.
	MaxSize string `config:"max_size" json:"max_size,omitempty"`
}

// Shrink makes of each index one with fewer shards.
type Shrink struct {
	Search `config:",inline"`
	// The node to do it on, by name; DETERMINISTIC chooses the one with the most free space.
	ShrinkNode string `config:"shrink_node" required:"true"`
	// Which nodes DETERMINISTIC may choose.
	NodeFilters NodeFilters `config:"node_filters"`
	// Shards of the new index.
	NumberOfShards int `config:"number_of_shards" default:"1" min:"1" max:"99"`
	// Replicas of the new index.
	NumberOfReplicas int `config:"number_of_replicas" default:"1" min:"0" max:"10"`
	// What goes before the name, for the new index.
	ShrinkPrefix string `config:"shrink_prefix"`
	// What goes after the name, for the new index.
	ShrinkSuffix string `config:"shrink_suffix" default:"-shrink"`
	// Give the new index the aliases of the old one.
	CopyAliases bool `config:"copy_aliases" default:"false"`
	// Delete the old index afterwards.
	DeleteAfter bool `config:"delete_after" default:"true"`
	// Where the new index may be afterwards.
	PostAllocation *PostAllocation `config:"post_allocation"`
	// Copies of each shard that must be there, or `all`.
	WaitForActiveShards string `config:"wait_for_active_shards" default:"1"`
	// `settings` and `aliases` of the new index.
	ExtraSettings map[string]any `config:"extra_settings"`
	LongWait      `config:",inline"`
	// Wait until no shards move any more.
	WaitForRebalance bool `config:"wait_for_rebalance" default:"true"`
}

// Validate checks what tags cannot say.
func (s *Shrink) Validate() error {
	if s.ShrinkPrefix == "" && s.ShrinkSuffix == "" {
		return setting.Wrong("shrink_suffix", "options \"shrink_prefix\" and \"shrink_suffix\" are both empty: the new index needs another name")
	}
	return activeShards(s.WaitForActiveShards)
}

// NodeFilters say which nodes a shrink may choose.
type NodeFilters struct {
	// Nodes that may become master, too.
	PermitMasters bool `config:"permit_masters" default:"false"`
	// None of these, by name.
	ExcludeNodes []string `config:"exclude_nodes" default:"[]"`
}

// PostAllocation says where an index may be after a shrink.
type PostAllocation struct {
	// `require`, `include` or `exclude`.
	AllocationType string `config:"allocation_type" default:"require" oneof:"require|include|exclude"`
	// The attribute of nodes that counts.
	Key string `config:"key" required:"true"`
	// What the attribute has to be; without it the setting is taken away.
	Value string `config:"value"`
}

// Snapshot takes a snapshot of indices.
type Snapshot struct {
	Search `config:",inline"`
	// Where to.
	Repository string `config:"repository" required:"true"`
	// The snapshot's name. strftime's letters (`%Y`) stand for the time of the run in UTC, and date math works.
	Name string `config:"name" default:"curator-%Y%m%d%H%M%S"`
	// Pass over indices that have gone.
	IgnoreUnavailable bool `config:"ignore_unavailable" default:"false"`
	// Keep the state of the cluster, too.
	IncludeGlobalState bool `config:"include_global_state" default:"true"`
	// Take also indices that lack shards.
	Partial  bool `config:"partial" default:"false"`
	LongWait `config:",inline"`
	// Don't check first that every node reaches the repository.
	SkipRepoFSCheck bool `config:"skip_repo_fs_check" default:"true"`
}

// activeShards checks an option wait_for_active_shards.
func activeShards(v string) error {
	if v == "all" {
		return nil
	}
	if n, err := strconv.Atoi(v); err != nil || n < 0 {
		return setting.Wrong("wait_for_active_shards", "option \"wait_for_active_shards\" must be a number or all, not %s", setting.Show(v))
	}
	return nil
}

// A kind is one kind of action.
type kind struct {
	options func() any
	filters source
	timeout time.Duration
}

// A source is where an action's filters are, and what they choose among.
type source int

const (
	noFilters source = iota
	indices
	snapshots
	addRemove // indices, below add: and remove:
)

var kinds = map[string]kind{
	"alias":            {func() any { return &Alias{} }, addRemove, 0},
	"allocation":       {func() any { return &Allocation{} }, indices, 0},
	"close":            {func() any { return &Close{} }, indices, 180 * time.Second},
	"cluster_routing":  {func() any { return &ClusterRouting{} }, noFilters, 0},
	"create_index":     {func() any { return &CreateIndex{} }, noFilters, 0},
	"delete_indices":   {func() any { return &DeleteIndices{} }, indices, 0},
	"delete_snapshots": {func() any { return &DeleteSnapshots{} }, snapshots, 300 * time.Second},
	"forcemerge":       {func() any { return &ForceMerge{} }, indices, 21600 * time.Second},
	"index_settings":   {func() any { return &IndexSettings{} }, indices, 0},
	"open":             {func() any { return &Open{} }, indices, 0},
	"reindex":          {func() any { return &Reindex{} }, indices, 0},
	"replicas":         {func() any { return &Replicas{} }, indices, 0},
	"restore":          {func() any { return &Restore{} }, snapshots, 21600 * time.Second},
	"rollover":         {func() any { return &Rollover{} }, noFilters, 0},
	"shrink":           {func() any { return &Shrink{} }, indices, 0},
	"snapshot":         {func() any { return &Snapshot{} }, indices, 21600 * time.Second},
}

// Kinds of actions that Curator has, or had, and that are refused, with the reason.
var refusedKinds = map[string]string{
	"cold2frozen": "it mounts searchable snapshots, which need a paid licence of Elasticsearch: let ILM move indices to the frozen tier",
	"freeze":      "Elasticsearch 8 has no frozen indices any more: close the indices instead, or let ILM keep them as searchable snapshots",
	"unfreeze":    "Elasticsearch 8 has no frozen indices any more: remove this action",
}

// Options of Curator 5 that have lost their meaning: they may be there as long as they are off.
var goneOptions = map[string]map[string]string{
	"reindex": {
		"remote_aws_key":         "requests are not signed for AWS: put a proxy that signs in front of the cluster",
		"remote_aws_secret_key":  "requests are not signed for AWS: put a proxy that signs in front of the cluster",
		"remote_aws_region":      "requests are not signed for AWS: put a proxy that signs in front of the cluster",
		"remote_url_prefix":      "write it behind the host in request_body.source.remote.host",
		"remote_ssl_no_validate": "the cluster itself does not skip it either: give the authorities in remote_certificate",
	},
}

// Options of Curator 5 whose lack changes nothing: they are passed over with a warning.
var needlessOptions = map[string]map[string]string{
	"close": {"ignore_sync_failures": "Elasticsearch has no synced flush any more"},
}

// off says whether the value of an option is as good as none.
func off(v any) bool {
	s := fmt.Sprint(v)
	return v == nil || s == "None" || s == "" || s == "false" || s == "False"
}
