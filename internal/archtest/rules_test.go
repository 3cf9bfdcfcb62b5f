// Package archtest holds the house's rules about who may import whom, and fails when a package breaks one.
//
// It has only tests, reads only source files, and runs nothing. The rules are the tables of this file; how they are
// applied is in archtest_test.go. A new package needs a row in layers.
package archtest

// layers is the house from the ground up. A package imports packages of lower rows alone; those of its own row only where beside
// says so. A name that ends in /... stands for every package below that folder, without the folder itself.
var layers = [][]string{
	{"internal/attr", "internal/heap", "internal/tracing"},
	{"internal/directory"},
	{"internal/mapping"},
	{"internal/provision"},
	{"internal/connector", "internal/source", "internal/gallery"},
	{"internal/connector/...", "internal/source/..."}, // the adapters
	{"internal/store/..."},                            // what the store keeps to itself: generated queries, migrations
	{"internal/store"},
	{"internal/notify"},
	{"internal/cycle"},
	{"internal/config"},
	{"internal/admin", "internal/metrics", "internal/tracing/..."},
	{"internal/signin"},
	{"internal/api"}, // what goes over the wire
	{"internal/client"},
	{"internal/web/..."},
	{"internal/web"},
	{"cmd/muster"},
}

// beside lists who may import whom on one row.
var beside = map[string][]string{
	"internal/gallery":         {"internal/connector"},                                                  // a template holds limits in the limiter's own terms
	"internal/connector/slack": {"internal/connector/scim"},                                             // Slack's API is SCIM with a dialect
	"internal/source/file":     {"internal/source/csv", "internal/source/json", "internal/source/ldif"}, // the table of formats
}

// reserved names packages that only some may import, whatever their row. Tests may import everything.
var reserved = []struct {
	packages  string
	importers []string
	because   string
}{
	{"internal/connector/...", []string{"cmd/muster", "internal/admin", "internal/connector/..."}, "which target is spoken to is decided at the top, and everybody else knows the interface"},
	{"internal/source/...", []string{"cmd/muster", "internal/admin", "internal/source/file"}, "which file is read is decided at the top, and everybody else knows the interface"},
	{"internal/store/...", []string{"internal/store", "internal/store/..."}, "the store's insides are its own"},
	{"internal/web/...", []string{"internal/web", "internal/web/..."}, "the web's insides are its own"},
	{"internal/slackemulator", []string{"cmd/muster"}, "the emulator is a product of its own: it shows what Slack does, and nothing may rely on it"},
}

// alone lists packages outside the rows that import nothing of Muster.
var alone = []string{"docs", "internal/demo", "internal/slackemulator"}

// forTests lists packages outside the rows that exist for tests. They import what they like and are imported by tests, and by each other.
var forTests = []string{
	"internal/archtest",
	"internal/bench",
	"internal/interop",
	"internal/pgtest",
	"internal/connector/connectortest",
	"internal/source/sourcetest",
	"internal/store/storetest",
	"scripts/...",
}

// pure lists the packages that decide and must not act: equal input gives an equal decision, on any day and machine.
var pure = []string{"internal/mapping", "internal/provision"}

// acts lists the imports that pure packages go without, packages below them included.
var acts = []string{"context", "net", "os", "log", "database/sql"}

// harmless lists what stands below those and only computes.
var harmless = []string{"net/url"}

// clocks lists the functions of package time that read the clock, and that pure packages do not call.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTicker", "NewTimer"}

// names lists folder names that say nothing about what is inside.
var names = []string{
	"pkg", "util", "utils", "common", "types", "model", "models",
	"service", "services", "manager", "managers", "helper", "helpers", "misc", "shared",
}

// outside lists what no tracked file may contain: places outside this repository, which a reader does not have. They are put together
// here so that this file does not contain them.
var outside = []string{".." + "/shared", "/" + "work/"}
