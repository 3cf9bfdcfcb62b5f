package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledServer kills a server that provisions by itself, at the moments of [TestKilledBinary], while people
// are imported and changed over its API. Whoever was cut off says the same again to the next server. In the end the
// target must be as if nobody had died, and a cycle by hand must find nothing left.
func TestKilledServer(t *testing.T) {
	crash(t, 6, "on", (*crashCompany).serverRound)
}

func (c *crashCompany) serverRound(n int) {
	c.change(n)
	clear(c.seen)
	c.corrections = c.rnd.Uint64()
	kills, repeats := c.kills, c.repeats
	for range 1 + c.rnd.IntN(2) {
		wait, writes := time.Duration(0), 1+c.rnd.IntN(12)
		if c.rnd.IntN(4) == 0 {
			wait, writes = time.Duration(20+c.rnd.IntN(600))*time.Millisecond, 0
		}
		s := c.serve(writes, wait)
		_ = c.tell(s, n)
		// Where there is less to write it dies while it has nothing to do.
		dies := time.AfterFunc(time.Duration(c.rnd.IntN(1500))*time.Millisecond, func() { c.kill(s.cmd.Process) })
		<-s.gone
		dies.Stop()
		c.leaseEnds()
	}
	s := c.serve(0, 0)
	if err := c.tell(s, n); err != nil {
		c.t.Fatalf("round %d: a server that nobody kills refuses: %v", n, err)
	}
	begin := time.Now()
	for len(c.wrong()) > 0 && time.Since(begin) < time.Minute {
		<-time.After(20 * time.Millisecond)
	}
	end := os.Signal(syscall.SIGTERM)
	if c.rnd.IntN(2) == 0 {
		end = syscall.SIGKILL
	}
	if err := s.cmd.Process.Signal(end); err != nil {
		c.t.Fatal(err)
	}
	<-s.gone
	c.leaseEnds()
	c.muster("sync", "app") // what is recorded of a killed one's last moments
	c.over(n, kills, repeats)
}

// crashServer is a server that may be killed.
type crashServer struct {
	cmd  *exec.Cmd
	url  string
	gone chan struct{}
}

// serve starts a server that is to be killed, at the n-th write or after a time; neither is for never.
func (c *crashCompany) serve(writes int, wait time.Duration) *crashServer {
	c.t.Helper()
	s := &crashServer{cmd: muster(c.t, "serve", "--listen", "127.0.0.1:0"), gone: make(chan struct{})}
	s.cmd.Env = c.env
	log, err := os.Create(filepath.Join(c.dir, "serve.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	if err := s.cmd.Start(); err != nil {
		c.mu.Unlock()
		c.t.Fatal(err)
	}
	c.victim, c.left, c.after = s.cmd.Process, writes, c.rnd.IntN(2) == 0
	c.mu.Unlock()
	if wait > 0 {
		time.AfterFunc(wait, func() { c.kill(s.cmd.Process) })
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	s.url, _ = strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	go func() {
		defer close(s.gone)
		_ = s.cmd.Wait()
		c.mu.Lock()
		if c.victim == s.cmd.Process {
			c.victim, c.left = nil, 0
		}
		c.mu.Unlock()
	}()
	c.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.gone
	})
	return s
}

// tell brings the round's changes to a server: some of them one by one after the file that lacks them, as somebody does who
// corrects what was imported. An error is that of a server that was killed meanwhile.
func (c *crashCompany) tell(s *crashServer, round int) error {
	if s.url == "" {
		return fmt.Errorf("it did not begin")
	}
	over := func(args ...string) error {
		cmd := muster(c.t, append(args, "--server", s.url)...)
		cmd.Env = append(c.env, "MUSTER_TOKEN="+c.token)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("muster %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := over("import", c.file(), "--source", "hr", "--full", "--allow-removals"); err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(c.corrections, uint64(round)))
	for _, p := range c.people {
		if p.listed && rnd.IntN(8) == 0 {
			p.title = fmt.Sprintf("Title %d of %s", round, p.name)
			if err := over("user", "set", p.name, "title="+p.title); err != nil {
				return err
			}
		}
	}
	return nil
}
