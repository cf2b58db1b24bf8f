package saga

import (
	"slices"
	"strings"
)

// limit is the shares of one limited resource.
type limit struct {
	used    int
	waiting []*flight // first come, first served
}

// admit gives f a share of the limit under key. If none is free f is parked: it
// waits in line and release hands it to a worker when its turn comes.
func (e *Engine) admit(f *flight, key string) bool {
	if f.holds != key {
		e.release(f)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if key == "" || f.holds == key || f.cancelled {
		return true
	}
	l := e.limits[key]
	if l == nil {
		l = &limit{}
		e.limits[key] = l
	}
	if l.used < e.limitNumber(key) && len(l.waiting) == 0 {
		l.used++
		f.holds = key
		return true
	}
	f.parked, f.holds = true, key
	l.waiting = append(l.waiting, f)
	return false
}

func (e *Engine) limitNumber(key string) int {
	name, _, _ := strings.Cut(key, ":")
	return max(e.cfg.Limits[name], 1)
}

// release gives back the share of f, and hands it to the first in line.
func (e *Engine) release(f *flight) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.holds == "" {
		return
	}
	key := f.holds
	f.holds = ""
	l := e.limits[key]
	if len(l.waiting) > 0 {
		head := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		head.parked = false
		e.push(head)
		return
	}
	if l.used--; l.used == 0 {
		delete(e.limits, key)
	}
}

// unpark takes f out of the line. The caller holds mu.
func (e *Engine) unpark(f *flight) {
	l := e.limits[f.holds]
	l.waiting = slices.DeleteFunc(l.waiting, func(o *flight) bool { return o == f })
	f.parked, f.holds = false, ""
}
