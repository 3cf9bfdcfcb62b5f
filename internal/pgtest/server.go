package pgtest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// settings of a server whose data nobody wants back, and why each is there.
var settings = [...][2]string{
	{"listen_addresses", "127.0.0.1"},
	{"unix_socket_directories", ""}, // a path under a long TMPDIR can exceed the 107 bytes of a socket's name
	{"max_connections", "200"},      // packages are tested side by side, each test with a pool of its own
	{"shared_buffers", "64MB"},
	{"fsync", "off"}, // nothing survives the run, so nothing is worth waiting for a disk
	{"synchronous_commit", "off"},
	{"full_page_writes", "off"},
	{"wal_level", "minimal"},
	{"max_wal_senders", "0"}, // wal_level minimal demands it
	{"jit", "off"},           // costs more than it gains on queries of test size
	{"timezone", "UTC"},
	{"lc_messages", "C"},
}

// supervise runs in a shell beside the server: it starts it, says so, and waits for its standard input to end. That input is a pipe
// whose only writer is the process that called Start, so it ends when that process does, however it does: kill -9 included.
// Then the server is stopped and its directory removed. A parent-death signal would not remove anything, belongs to a thread and not
// to a process, and exists on Linux alone.
//
// The port is chosen by the caller and may be taken by then: pg_ctl fails, and Start tries another.
const supervise = `
dir=$1 port=$2
if "$PGBIN/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -o "-p $port" start >"$dir/start" 2>&1; then
	echo ready
	cat >/dev/null
	"$PGBIN/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1
	rm -rf "$dir"
else
	tail -n 3 "$dir/log" "$dir/start"
	exit 1
fi`

// alive holds the pipes to the servers that run, because their callers may have dropped stop: a pipe that is collected as garbage is
// closed, and its server goes.
var alive sync.Map

// errNoServer says that PostgreSQL is not installed, or not where Debian, PATH or PGBIN has it.
var errNoServer = errors.New("initdb was not found in PATH, in $PGBIN or in /usr/lib/postgresql/*/bin")

// Start starts a private server on a free loopback port and returns the postgres:// URL of its superuser. stop ends the server,
// removes its files and returns when that is done; a process that ends without calling it gets the same.
//
// PostgreSQL refuses to run as root; then it runs as the system's user postgres.
func Start() (url string, stop func(), err error) {
	bin, err := binaries()
	if err != nil {
		return "", nil, err
	}
	who, err := account()
	if err != nil {
		return "", nil, err
	}
	dir, err := directory(who)
	if err != nil {
		return "", nil, err
	}
	password := rand.Text()
	if err := initialise(bin, dir, password, who); err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	const tries = 5
	for range tries {
		url, stop, err = launch(bin, dir, password, who)
		if err == nil {
			return url, stop, nil
		}
	}
	os.RemoveAll(dir)
	return "", nil, err
}

// binaries is the directory with initdb and pg_ctl. Debian keeps them out of PATH, one directory for each major version: the newest is taken.
func binaries() (string, error) {
	if dir := os.Getenv("PGBIN"); dir != "" {
		return dir, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		// The link is followed because pg_ctl looks for postgres beside itself.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, newest := "", 0
	matches, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, match := range matches {
		dir := filepath.Dir(match)
		if major, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil && major > newest {
			found, newest = dir, major
		}
	}
	if found == "" {
		return "", errNoServer
	}
	return found, nil
}

// account is the user to run the server as: nil for ourselves, and postgres when we are root.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no other user for it: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the id of the user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the group of the user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// directory makes the place for the server's files, owned by whom it runs as.
func directory(who *syscall.Credential) (string, error) {
	base := ""
	if who != nil {
		base = "/tmp" // root's TMPDIR may lie where no other user can reach it
	}
	dir, err := os.MkdirTemp(base, "muster-postgres-")
	if err != nil {
		return "", fmt.Errorf("making a directory for PostgreSQL: %w", err)
	}
	if who == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("giving PostgreSQL its directory: %w", err)
	}
	return dir, nil
}

// initialise creates the cluster in dir/data and writes its settings.
func initialise(bin, dir, password string, who *syscall.Credential) error {
	// The method is plain password: the connection never leaves the machine, and SCRAM costs every connection milliseconds.
	// Trust would open a superuser, and with it the server's account, to everybody on the machine.
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o644); err != nil { // dir itself is closed to others
		return fmt.Errorf("writing PostgreSQL's password: %w", err)
	}
	defer os.Remove(secret)
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "muster", "-A", "password",
		"--pwfile="+secret, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLines(out))
	}
	var conf strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&conf, "%s = '%s'\n", s[0], s[1])
	}
	path := filepath.Join(dir, "data", "postgresql.auto.conf") // read last, so it wins over what initdb wrote
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		return fmt.Errorf("writing PostgreSQL's settings: %w", err)
	}
	return nil
}

// launch starts the supervisor, and with it the server, on a port that was free a moment ago.
func launch(bin, dir, password string, who *syscall.Credential) (string, func(), error) {
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", dir, strconv.Itoa(port))
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "PGBIN="+bin)
	// A session of its own: an interrupt typed at the terminal is for the tests; the server goes when they have gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	said := bufio.NewReader(stdout)
	if line, _ := said.ReadString('\n'); line != "ready\n" {
		rest, _ := io.ReadAll(said)
		pipe.Close()
		err := cmd.Wait()
		return "", nil, fmt.Errorf("starting PostgreSQL on port %d: %w: %s", port, err, lastLines(append([]byte(line), rest...)))
	}
	alive.Store(pipe, true)
	stop := func() {
		alive.Delete(pipe)
		pipe.Close()
		_, _ = io.Copy(io.Discard, said) // until the supervisor has closed its side
		_ = cmd.Wait()
	}
	at := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("muster", password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return at.String(), stop, nil
}

// freePort asks the kernel for a port and gives it back. Somebody else may take it before PostgreSQL does.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// lastLines is the end of a tool's output, where the reason stands.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-6):], "; ")
}
