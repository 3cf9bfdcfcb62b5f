// Command muster keeps the accounts in a company's applications exactly as its directory says.
//
// One file a verb (cmd_*.go), each a struct of flags with a Run method that hands the wish to package
// admin and shows the answer; nothing is decided here. session.go opens what a verb needs, text.go
// is how answers look, targets.go is the list of connectors. Exit statuses are those of package admin.
//
// Start at [run].
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/muster-id/muster/internal/heap"
)

func main() {
	heap.AtLeast(heap.Worthwhile)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(status)
}

// streams are the three that a command has.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands is the whole command line; kong reads the tags.
type commands struct {
	Data      string `default:"./muster-data" env:"MUSTER_DATA" placeholder:"DIR" help:"Directory with everything that Muster keeps (${default})."`
	Database  string `env:"MUSTER_DATABASE" placeholder:"URL" help:"postgres:// URL: keep the state there instead."`
	Server    string `env:"MUSTER_SERVER" placeholder:"URL" help:"Talk to a running muster serve at this address; wins over --data and --database."`
	Token     string `env:"MUSTER_TOKEN" placeholder:"TOKEN" help:"Token for --server, made by muster token create; better in the variable, where other users do not see it."`
	PlainHTTP bool   `name:"plain-http" env:"MUSTER_PLAIN_HTTP" help:"Send the token to a --server without TLS beyond this machine, too."`
	Output    string `short:"o" enum:"text,json" default:"text" placeholder:"text|json" help:"Form of what is printed (${default})."`
	LogLevel  string `enum:",off,debug,info,warn,error" default:"" env:"MUSTER_LOG_LEVEL" placeholder:"LEVEL" help:"Say on stderr what happens inside: off, debug, info, warn, error (info for serve, else off)."`

	Serve   serveCmd     `cmd:"" group:"operations" help:"Run the applications by themselves, and answer over HTTP."`
	Demo    demoCmd      `cmd:"" group:"start" help:"Show the main job on a made-up company and an emulated Slack."`
	Import  importCmd    `cmd:"" group:"directory" help:"Bring people and groups of files into the directory."`
	User    userCmd      `cmd:"" group:"directory" help:"Look at and change users."`
	Group   groupCmd     `cmd:"" group:"directory" help:"Look at and change groups."`
	App     appCmd       `cmd:"" group:"applications" help:"Look at applications, assign users and groups."`
	Config  configCmd    `cmd:"" group:"applications" help:"Applications as YAML: apply, diff, export."`
	Test    testCmd      `cmd:"" group:"applications" help:"Test the connection of an application."`
	Mapping mappingCmd   `cmd:"" group:"applications" help:"Attribute mappings of an application."`
	Plan    planCmd      `cmd:"" group:"provisioning" help:"Show what a cycle would do; nothing is sent."`
	Sync    syncCmd      `cmd:"" group:"provisioning" help:"Run one cycle now."`
	Prov    provCmd      `cmd:"" name:"provision" group:"provisioning" help:"Provision one user or group on demand, step by step."`
	Explain explainCmd   `cmd:"" group:"provisioning" help:"Say why a person has, or has not, an account."`
	Status  statusCmd    `cmd:"" group:"provisioning" help:"Say how applications stand and what waits for you."`
	Undo    undoCmd      `cmd:"" group:"provisioning" help:"Plan the reverse of what a cycle did."`
	Held    heldCmd      `cmd:"" group:"provisioning" help:"Operations that wait for approval."`
	Drift   driftCmd     `cmd:"" group:"provisioning" help:"What the last reconcile found at the target."`
	Logs    logsCmd      `cmd:"" group:"provisioning" help:"The provisioning log."`
	Restart restartCmd   `cmd:"" group:"provisioning" help:"Forget a part of what an application knows."`
	Migrate migrateCmd   `cmd:"" group:"operations" help:"Bring the database's schema up to date."`
	Backup  backupCmd    `cmd:"" group:"operations" help:"Write everything into one file."`
	Restore restoreCmd   `cmd:"" group:"operations" help:"Read a backup into an empty database."`
	Audit   auditCmd     `cmd:"" group:"operations" help:"The audit log: what administrators did."`
	Notify  notifyCmd    `cmd:"" group:"operations" help:"Who is told what by mail and webhooks."`
	Keep    retentionCmd `cmd:"" name:"retention" group:"operations" help:"How long each log is kept."`
	Tokens  tokenCmd     `cmd:"" name:"token" group:"operations" help:"Tokens that let programs in: create, list, revoke."`
	Health  healthCmd    `cmd:"" group:"operations" help:"Say whether the server on this machine is well."`
	Doctor  doctorCmd    `cmd:"" group:"operations" help:"Look for what is wrong, and say what to do."`

	Admin  adminCmd  `cmd:"" group:"people" help:"Who may use the console."`
	Signin signinCmd `cmd:"" group:"people" help:"How administrators sign in."`

	SlackEmulator slackEmulatorCmd `cmd:"" group:"start" help:"Emulate Slack's SCIM API, for trying things out."`
	Version       versionCmd       `cmd:"" group:"operations" help:"Say which version this is."`
	Completion    completionCmd    `cmd:"" group:"operations" help:"Print the completion script of a shell."`
}
