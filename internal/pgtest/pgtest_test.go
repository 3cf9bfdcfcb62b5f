package pgtest_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/muster-id/muster/internal/pgtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestDatabasesAreEmptyAndApart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.Database(t))
			// Both subtests create the same table: in one shared database the second would fail.
			if _, err := conn.Exec(t.Context(), "CREATE TABLE person (name text)"); err != nil {
				t.Fatal(err)
			}
			var tables int
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil {
				t.Fatal(err)
			}
			if tables != 1 {
				t.Errorf("the database holds %d tables, want the one this test made", tables)
			}
		})
	}
}

// What is put into a copy stays out of the others, and what was put into the first one is in all. What a process that is gone
// left to be copied goes too.
func TestCopiesAreFilledOnceAndApart(t *testing.T) {
	t.Parallel()
	server := connect(t, pgtest.Database(t))
	left := "muster_template_" + strings.ToLower(rand.Text())
	if _, err := server.Exec(t.Context(), "CREATE DATABASE "+left); err != nil {
		t.Fatal(err)
	}
	fills := 0
	fill := func(url string) error {
		fills++
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		_, err = conn.Exec(context.Background(), "CREATE TABLE person (name text); INSERT INTO person VALUES ('ada')")
		return err
	}
	for range 2 {
		conn := connect(t, pgtest.Copy(t, fill))
		var names int
		if err := conn.QueryRow(t.Context(), "INSERT INTO person VALUES ('bob') RETURNING (SELECT count(*) FROM person)").Scan(&names); err != nil {
			t.Fatal(err)
		}
		if names != 1 {
			t.Errorf("%d names were there, want the one of the first database", names)
		}
	}
	if fills != 1 {
		t.Errorf("filled %d times", fills)
	}
	if err := server.QueryRow(t.Context(), "SELECT FROM pg_database WHERE datname = $1", left).Scan(); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("looking for the database of a process that is gone: %v", err)
	}
}

// A test may leave a connection open; its database goes all the same.
func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var dropped string
	t.Run("uses one", func(t *testing.T) {
		dropped = pgtest.Database(t)
		if _, err := pgx.Connect(t.Context(), dropped); err != nil {
			t.Fatal(err)
		}
	})
	if dropped == "" {
		t.Skip("PostgreSQL is missing, see the subtest")
	}
	at, err := url.Parse(dropped)
	if err != nil {
		t.Fatal(err)
	}
	var left int
	conn := connect(t, pgtest.Database(t))
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", at.Path[1:]).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Error("the database is still there after its test")
	}
}

// envHelper makes this test binary a process that starts a server and then waits to be killed.
const envHelper = "PGTEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(envHelper) == "" {
		os.Exit(m.Run())
	}
	url, _, err := pgtest.Start()
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	for range 3 { // what is unreachable is found, its finalizer runs, it is freed
		runtime.GC()
	}
	os.Stdout.WriteString(url + "\n")
	select {}
}

// The server of a process that was killed stops, and its files go. Before that it stays, though the process dropped stop.
func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	pgtest.Database(t) // skips where there is no PostgreSQL
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), envHelper+"=1")
	helper.Stderr = os.Stderr
	out, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, strings.TrimSpace(line))
	var data string
	if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&data); err != nil {
		t.Fatal(err)
	}
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait() // it was killed, so it reports that
	// An open connection is told when its server stops: no need to look again and again.
	if _, err := conn.Exec(t.Context(), "SELECT pg_sleep(60)"); err == nil {
		t.Fatal("the server outlived the process that started it")
	}
	waitGone(t, filepath.Dir(data))
}

// waitGone returns when path no longer exists, and fails the test when that takes half a minute.
func waitGone(t *testing.T, path string) {
	t.Helper()
	look, stop := time.NewTicker(5*time.Millisecond), time.After(30*time.Second)
	defer look.Stop()
	for {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-look.C:
		case <-stop:
			t.Fatalf("%s is still there", path)
		}
	}
}
