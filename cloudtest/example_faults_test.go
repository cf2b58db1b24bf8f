package cloudtest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/volume"
)

// In a test, t is the test's own.
func run(example func(t testing.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := &exampleTB{ctx: context.Background()}
		defer t.end()
		example(t)
	}()
	<-done
}

// exampleTB is what an example has instead of a test.
type exampleTB struct {
	testing.TB
	ctx      context.Context
	cleanups []func()
}

func (t *exampleTB) Helper() {}

func (t *exampleTB) Context() context.Context { return t.ctx }

func (t *exampleTB) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *exampleTB) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (t *exampleTB) Logf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (t *exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleTB) Failed() bool { return false }

func (t *exampleTB) end() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// ask asks for a server in the first project.
func ask(t testing.TB, c *cloudtest.Cloud) string {
	s, err := c.Compute.CreateServer(t.Context(), c.Projects[0].ID, compute.CreateServerOptions{
		Name: "web", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s.ID
}

// show prints the status of a server.
func show(t testing.TB, c *cloudtest.Cloud, id string) {
	s, err := c.Compute.GetServer(t.Context(), id)
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(s.Status())
}

func ExampleCloud_Inject() {
	run(func(t testing.TB) {
		c := cloudtest.New(t)
		hang := c.Inject(cloudtest.BootHangs())
		id := ask(t, c)
		hang.Wait(1)
		show(t, c, id)

		hang.End() // what hung goes on
		c.WaitIdle()
		show(t, c, id)
		c.CheckClean()
	})
	// Output:
	// BUILD
	// ACTIVE
}

func ExampleFault_For() {
	run(func(t testing.TB) {
		c := cloudtest.New(t)
		attached := func(id string) volume.Volume {
			v, err := c.Volumes.CreateVolume(t.Context(), c.Projects[0].ID, volume.CreateOptions{SizeGiB: 1})
			if err != nil {
				t.Fatalf("%v", err)
			}
			c.WaitIdle()
			if _, err = c.Compute.AttachVolume(t.Context(), id, compute.AttachVolumeOptions{VolumeID: v.ID}); err != nil {
				t.Fatalf("%v", err)
			}
			c.WaitIdle()
			return v
		}
		server := ask(t, c)
		c.WaitIdle()
		c.Inject(cloudtest.VolumeDetachHangs().For(server))
		data := attached(server)
		if err := c.Compute.DetachVolume(t.Context(), server, data.ID); err != nil {
			t.Fatalf("%v", err)
		}
		c.WaitIdle() // or held by a fault
		v, err := c.Volumes.GetVolume(t.Context(), data.ID)
		fmt.Println(v.Status, err)
	})
	// Output: detaching <nil>
}

func ExamplePortBindingFails() {
	run(func(t testing.TB) {
		c := cloudtest.New(t)
		broken := c.Inject(cloudtest.PortBindingFails().OnHost("host-1"))
		first := ask(t, c)
		c.WaitIdle()
		show(t, c, first)
		broken.End()
		second := ask(t, c)
		c.WaitIdle()
		show(t, c, second)
		c.CheckClean() // no port of the first is left
	})
	// Output:
	// ERROR
	// ACTIVE
}

func ExampleTransitions() {
	run(func(t testing.TB) {
		clock := cloudtest.NewClock()
		c := cloudtest.New(t, cloudtest.Model{Clock: clock, Transitions: cloudtest.Transitions{
			cloudtest.ServerCreate: cloudtest.After(30 * time.Second),
		}})
		id := ask(t, c)
		for range 3 {
			c.WaitIdle()
			show(t, c, id)
			clock.Advance(15 * time.Second)
		}
	})
	// Output:
	// BUILD
	// BUILD
	// ACTIVE
}

func ExampleCloud_Release() {
	run(func(t testing.TB) {
		c := cloudtest.New(t)
		c.SetTransition(cloudtest.ServerCreate, cloudtest.StepByStep())
		id := ask(t, c)
		for range 4 {
			fmt.Println(c.Release(id))
			c.WaitIdle()
		}
		show(t, c, id)
	})
	// Output:
	// server create/compute_schedule
	// server create/compute_network
	// server create/compute_image
	// server create/compute_spawn
	// ACTIVE
}
