package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/unixsock"
)

// controlSocket is where a running server answers whoever may read its state
// directory: a file in it, with mode 0600.
const controlSocket = "control.sock"

// exitStatus ends the process with that status and says nothing more.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// The statuses of check.
const (
	foundWrong  exitStatus = 1
	notChecked  exitStatus = 2
	controlWait            = 10 * time.Second // for a request to the control socket to be read
)

// checkOptions are the command line's of check.
type checkOptions struct {
	options
	mend, json bool
}

func parseCheck(args []string) (checkOptions, error) {
	var o checkOptions
	f := flagSet(&o.options)
	f.BoolVar(&o.mend, "mend", false, "check: mend what can be without loss")
	f.BoolVar(&o.json, "json", false, "check: print the report as JSON")
	err := parseInto(f, &o.options, args)
	return o, err
}

// checkCloud prints a report of what is wrong with the cloud of a state directory. It
// asks the server that runs on it; with none, the cloud is started for the moment,
// which does what the next start would have done.
func checkCloud(ctx context.Context, args []string, out, errs io.Writer) error {
	report, o, err := findWrong(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		fmt.Fprintln(errs, "server: check:", err)
		return notChecked
	case o.json:
		err = json.NewEncoder(out).Encode(report)
	default:
		_, err = fmt.Fprintln(out, report)
	}
	if err == nil && !report.Clean() {
		return foundWrong
	}
	return err
}

func findWrong(ctx context.Context, args []string) (report cloud.CheckReport, o checkOptions, err error) {
	if o, err = parseCheck(args); err != nil {
		return report, o, err
	}
	log, err := logger(o.logLevel)
	if err != nil {
		return report, o, err
	}
	report, err = askServer(ctx, o)
	if noServer(err) {
		report, err = checkStopped(ctx, o, log)
	}
	return report, o, err
}

// askServer has the server that runs on the state directory check itself.
func askServer(ctx context.Context, o checkOptions) (report cloud.CheckReport, err error) {
	path := "/check"
	if o.mend {
		path += "?mend=true"
	}
	body, err := command(ctx, o.state, path)
	if err != nil {
		return report, err
	}
	defer body.Close()
	err = json.NewDecoder(body).Decode(&report)
	return report, err
}

// noServer reports whether the error of command says that no server runs.
func noServer(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// order has the server that runs on the state directory of a command line do something
// that has no answer.
func order(ctx context.Context, args []string, path string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	answer, err := command(ctx, o.state, path)
	switch {
	case noServer(err):
		return fmt.Errorf("no server runs on %s", o.state)
	case err != nil:
		return err
	}
	return answer.Close()
}

// command has the server that runs on a state directory do something, and returns its
// answer. Close it.
func command(ctx context.Context, state, path string) (io.ReadCloser, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return unixsock.Dial(ctx, filepath.Join(state, controlSocket))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://server"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, errors.Join(fmt.Errorf("the server answers %s: %s", resp.Status, bytes.TrimSpace(why)), resp.Body.Close())
	}
	return resp.Body, nil
}

// checkStopped starts the cloud without its APIs, lets unfinished work end, and checks.
func checkStopped(ctx context.Context, o checkOptions, log *slog.Logger) (report cloud.CheckReport, err error) {
	if _, err := os.Stat(filepath.Join(o.state, "state.db")); err != nil {
		return report, err
	}
	c, closeCloud, err := open(ctx, o.options, log)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, closeCloud()) }()
	if err := c.Idle(ctx); err != nil {
		return report, err
	}
	return c.Check(ctx, &cloud.CheckOptions{Mend: o.mend})
}

// control answers on the control socket until close is called.
func control(o options, c *cloud.Cloud, log *slog.Logger) (closeIt func() error, err error) {
	path := filepath.Join(o.state, controlSocket)
	// A server that was killed leaves its socket; the lock of the state says that none
	// is alive.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := unixsock.Listen(path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /check", func(w http.ResponseWriter, r *http.Request) { answerCheck(w, r, c, log) })
	mux.HandleFunc("POST "+rotateTokens, func(w http.ResponseWriter, r *http.Request) { answerRotate(w, r, c, log) })
	mux.HandleFunc("POST /who-can", func(w http.ResponseWriter, r *http.Request) { answerWhoCan(w, r, c, log) })
	mux.HandleFunc("POST "+rotateCredentials, func(w http.ResponseWriter, r *http.Request) { answerRotateCredentials(w, r, c, log) })
	server := &http.Server{
		Handler: mux, ReadTimeout: controlWait, MaxHeaderBytes: 1 << 14,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	return func() error {
		err := server.Close() // a check under way is of no use any more
		if end := <-done; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return err
	}, nil
}

func answerCheck(w http.ResponseWriter, r *http.Request, c *cloud.Cloud, log *slog.Logger) {
	report, err := c.Check(r.Context(), &cloud.CheckOptions{Mend: r.FormValue("mend") == "true"})
	if err != nil {
		log.WarnContext(r.Context(), "a check was not made", "error", err)
		http.Error(w, "the check was not made", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(report); err != nil {
		log.InfoContext(r.Context(), "the report of a check was not read", "error", err)
	}
}
