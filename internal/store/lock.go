package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lock is the data directory held by one writer: an advisory lock on the file DATA/lock, which the
// kernel gives free when the process ends, however it ends. The file says who holds it.
type lock struct {
	file *os.File
	info holder
}

// holder is who writes to a data directory, as the lock file says it.
type holder struct {
	pid     int
	command string
	server  string // URL of its API, "" when it has none
}

func lockDir(dir, command string) (*lock, error) {
	// Not through a symbolic link: the file is emptied, and in a directory that others can write to the
	// link may lead anywhere.
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, inUse(dir, readHolder(f))
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	l := &lock{file: f, info: holder{pid: os.Getpid(), command: command}}
	return l, l.tell()
}

func inUse(dir string, by holder) error {
	who := "another muster"
	if by.command != "" {
		who = "`" + by.command + "`"
	}
	if by.pid != 0 {
		who += fmt.Sprintf(" (pid %d)", by.pid)
	}
	next := "wait until it has ended"
	if by.server != "" {
		next = "use --server " + by.server
	} else if strings.Contains(by.command, "serve") {
		next = "use --server with its address"
	}
	return refuse(ErrInUse, next, "data directory %s in use by %s", dir, who)
}

// tell writes who holds the lock.
func (l *lock) tell() error {
	text := fmt.Sprintf("%d\n%s\n%s\n", l.info.pid, oneLine(l.info.command), oneLine(l.info.server))
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	if _, err := l.file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func readHolder(f *os.File) holder {
	b := make([]byte, 1024)
	n, _ := f.ReadAt(b, 0) // whatever can be read is said
	lines := append(strings.Split(string(b[:n]), "\n"), "", "", "")
	pid, _ := strconv.Atoi(lines[0])
	return holder{pid: pid, command: lines[1], server: lines[2]}
}

// release gives the directory free. The file stays: removing it would let two writers in, one with
// the old file and one with the new.
func (l *lock) release() error {
	_ = l.file.Truncate(0)
	// Unlocking is said aloud: a child of ours between fork and exec still has the file open.
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	return l.file.Close()
}

// Announce tells those who find the data directory in use which --server to use instead.
func (s *Store) Announce(server string) error {
	if s.lock == nil {
		return nil
	}
	s.lock.info.server = server
	return s.lock.tell()
}
