// Command server is the reference server: a whole private cloud in one process.
//
//	server [-listen ADDR] [-state DIR] [-drivers memory|linux] [-log-level LEVEL] [-virt auto|kvm|qemu] [-stop-grace TIME]
//	       [-identity FILE] [-domain-config-dir DIR] [-domain-configs-from-api]
//	server check [-state DIR] [-mend] [-json]
//	server rotate-keys [-state DIR]
//	server who-can [-state DIR] [-json] [SERVICE] OPERATION
//	server rotate-credential-keys [-state DIR]
//	server teardown [-state DIR]
//
// With -drivers memory it needs no privileges: guests and networks are simulated,
// everything else is real. With -drivers linux it runs QEMU guests by libvirt and
// networks by the kernel, all inside a network namespace of its own; it must then be
// root.
//
// The first start makes an administrator with a random password and writes
// DIR/clouds.yaml and DIR/openrc. "ready http://HOST:PORT" on standard output says that
// every API answers. SIGTERM ends the server gracefully; guests go on running, and the
// next start takes them over.
//
// -domain-config-dir has the users of domains in directories: for each domain NAME a file
// keystone.NAME.conf, with "driver = ldap" in its section [identity], and a section [ldap]
// as Keystone's. -domain-configs-from-api lets the API set the same. See
// docs/directories.md.
//
// check looks whether all is as it should be: what is recorded, and what guests, networks
// and files there are. It asks the server that runs on DIR; if none does, it starts the
// cloud for the moment, with the -drivers that it is given, and unfinished work goes on.
// It ends with status 0 if nothing is wrong, 1 if something is, 2 if it could not look.
// -mend mends what can be mended without loss.
//
// rotate-keys has the server that runs on DIR seal tokens with the next key. Those of the
// key before stay valid until the next time: call it no more often than tokens last, an
// hour. rotate-credential-keys does the same for stored credentials and OAuth1 secrets, and
// encrypts them all anew.
//
// -identity FILE says how long tokens last, how many credentials a user may have, what is
// asked of passwords and so on, with the sections and names of keystone.conf. See
// docs/configuration.md.
//
// The files in DIR/policy change who may do what: see docs/policy.md. They may be changed
// while the server runs.
//
// who-can tells which roles may do an operation, and by which rule: a rule's name, or a
// request such as "POST /v2.1/servers". It asks the server that runs on DIR; if none
// does, it goes by the files in DIR/policy.
//
// teardown removes whatever a server with linux drivers
// left running or behind, but not DIR itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// options are the command line's.
type options struct {
	listen, state, drivers, logLevel, virt string
	stopGrace                              time.Duration
	identity                               string
	domainConfigDir                        string
	domainConfigs                          bool
	federation                             string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := run(ctx, os.Args[1:])
	var status exitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "check" {
		return checkCloud(ctx, args[1:], os.Stdout, os.Stderr)
	}
	if len(args) > 0 && args[0] == "rotate-keys" {
		return rotateKeys(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == "mapping" {
		return tryMapping(args[1:], os.Stdout)
	}
	if len(args) > 0 && args[0] == "who-can" {
		return whoCan(ctx, args[1:], os.Stdout, os.Stderr)
	}
	if len(args) > 0 && args[0] == "rotate-credential-keys" {
		return rotateCredentialKeys(ctx, args[1:])
	}
	teardown := len(args) > 0 && args[0] == "teardown"
	if teardown {
		args = args[1:]
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	log, err := logger(o.logLevel)
	if err != nil {
		return err
	}
	if teardown {
		return removeHost(ctx, o, log)
	}
	return serve(ctx, o, log)
}

func parse(args []string) (options, error) {
	var o options
	err := parseInto(flagSet(&o), &o, args)
	return o, err
}

// flagSet is the command line of all subcommands.
func flagSet(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("server", flag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "127.0.0.1:5000", "address of all APIs; port 0 picks one")
	f.StringVar(&o.state, "state", "welkin-state", "directory of database, keys and files; made with mode 0700")
	f.StringVar(&o.drivers, "drivers", "memory", "memory, or linux for real guests and networks (as root)")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.virt, "virt", "auto", "auto, kvm or qemu: how guests run with linux drivers")
	f.StringVar(&o.identity, "identity", "", "file of settings with sections and names as in keystone.conf, see docs/configuration.md")
	f.StringVar(&o.domainConfigDir, "domain-config-dir", "", "directory with a file keystone.DOMAIN.conf for each domain whose users are in LDAP")
	f.BoolVar(&o.domainConfigs, "domain-configs-from-api", false, "let the configurations of domains, set by the API, name directories of users")
	f.StringVar(&o.federation, "federation", "", "JSON file that names identity providers, see docs/federation.md")
	f.DurationVar(&o.stopGrace, "stop-grace", time.Minute, "how long a guest may take to shut down before its power is cut")
	return f
}

func parseInto(f *flag.FlagSet, o *options, args []string) (err error) {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.state, err = filepath.Abs(o.state)
	return err
}

func logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("-log-level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// serve runs the cloud until ctx is done.
func serve(ctx context.Context, o options, log *slog.Logger) error {
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	c, closeCloud, err := open(ctx, o, log)
	if err != nil {
		return err
	}
	closeControl, err := control(o, c, log)
	if err != nil {
		return errors.Join(err, closeCloud())
	}
	err = serveAPIs(ctx, ln, o, c, log)
	return errors.Join(err, closeControl(), closeCloud())
}

// serveAPIs answers until ctx is done.
func serveAPIs(ctx context.Context, ln net.Listener, o options, c *cloud.Cloud, log *slog.Logger) error {
	password, err := adminPassword(o.state)
	if err != nil {
		return err
	}
	base := "http://" + ln.Addr().String()
	if err := writeAccess(o.state, base, password); err != nil {
		return err
	}
	fmt.Println("ready", base)
	return httpapi.Run(ctx, ln, httpapi.Server(c.Handler(), log))
}

// open starts the cloud of a state directory. closeCloud ends it and what it stands on.
func open(ctx context.Context, o options, log *slog.Logger) (c *cloud.Cloud, closeCloud func() error, err error) {
	password, err := adminPassword(o.state)
	if err != nil {
		return nil, nil, err
	}
	cfg := cloud.Config{
		Dir: o.state, AdminPassword: password, StopGrace: o.stopGrace, Log: log, PolicyDir: policyDir(o),
	}
	if cfg.Identity, err = readSettings(o.identity); err != nil {
		return nil, nil, err
	}
	if err := addDirectories(&cfg, o); err != nil {
		return nil, nil, err
	}
	if cfg.Federation, err = readFederation(o.federation); err != nil {
		return nil, nil, err
	}
	closeHost, err := addDrivers(ctx, &cfg, o, log)
	if err != nil {
		return nil, nil, err
	}
	if c, err = cloud.New(ctx, cfg); err != nil {
		closeHost()
		return nil, nil, err
	}
	return c, func() error {
		defer closeHost()
		return c.Close()
	}, nil
}
