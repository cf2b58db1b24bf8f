package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/welkin-cloud/cloud"
)

// policyDir holds the files that change who may do what.
func policyDir(o options) string { return filepath.Join(o.state, "policy") }

// whoCanOptions are the command line's of who-can.
type whoCanOptions struct {
	options
	json               bool
	service, operation string
}

func parseWhoCan(args []string) (o whoCanOptions, err error) {
	f := flagSet(&o.options)
	f.BoolVar(&o.json, "json", false, "who-can: print the answer as JSON")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	words := strings.Fields(strings.Join(f.Args(), " "))
	if len(words) > 1 && !strings.HasPrefix(words[1], "/") {
		o.service, words = words[0], words[1:]
	}
	if len(words) == 0 || len(words) > 2 {
		return o, errors.New("one operation is needed: a rule, or a method and a path")
	}
	o.operation = strings.Join(words, " ")
	o.state, err = filepath.Abs(o.state)
	return o, err
}

// whoCan prints who may do an operation.
func whoCan(ctx context.Context, args []string, out, errs io.Writer) error {
	found, o, err := findAccess(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		fmt.Fprintln(errs, "server: who-can:", err)
		return notChecked
	case o.json:
		return json.NewEncoder(out).Encode(found)
	}
	for i, a := range found {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := printAccess(out, a); err != nil {
			return err
		}
	}
	return nil
}

func findAccess(ctx context.Context, args []string) (found []cloud.Access, o whoCanOptions, err error) {
	if o, err = parseWhoCan(args); err != nil {
		return nil, o, err
	}
	query := url.Values{"service": {o.service}, "operation": {o.operation}}
	body, err := command(ctx, o.state, "/who-can?"+query.Encode())
	if noServer(err) {
		found, err = accessByFiles(ctx, o)
		return found, o, err
	}
	if err != nil {
		return nil, o, err
	}
	defer body.Close()
	err = json.NewDecoder(body).Decode(&found)
	return found, o, err
}

// accessByFiles asks a cloud in memory that has the policies of the state directory: the
// one that is there is not started for it.
func accessByFiles(ctx context.Context, o whoCanOptions) (found []cloud.Access, err error) {
	if _, err := os.Stat(o.state); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "who-can")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg := cloud.Config{PolicyDir: policyDir(o.options)}
	if err := addFiles(&cfg, dir); err != nil {
		return nil, err
	}
	addMemory(&cfg)
	c, err := cloud.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.WhoCan(ctx, o.service, o.operation)
}

// printAccess writes an answer for people.
func printAccess(out io.Writer, a cloud.Access) error {
	fmt.Fprintln(out, a.Service, a.Rule)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %-9s %s\n", name, text)
		}
	}
	check := a.Check
	if a.Overridden {
		check += " (overridden)"
	}
	line("check", check)
	if a.Expanded != a.Check {
		line("means", a.Expanded)
	}
	line("changed", strings.Join(a.Via, ", "))
	scopes := strings.Join(a.Scopes, ", ")
	if scopes == "" {
		scopes = "any"
	}
	line("scopes", scopes)
	line("requests", strings.Join(a.Operations, ", "))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  role\tproject\tother project\tdomain\tother domain\tsystem")
	for _, r := range a.Roles {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\n", r.Role, r.Project, r.OtherProject, r.Domain, r.OtherDomain, r.System)
	}
	return w.Flush()
}

func answerWhoCan(w http.ResponseWriter, r *http.Request, c *cloud.Cloud, log *slog.Logger) {
	found, err := c.WhoCan(r.Context(), r.FormValue("service"), r.FormValue("operation"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(found); err != nil {
		log.InfoContext(r.Context(), "the answer of who-can was not read", "error", err)
	}
}
