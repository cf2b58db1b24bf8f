package cloudtest

import (
	"net/http"
	"path"
	"time"
)

// retryAfter is what answers say that ask to come again.
const retryAfter = "1"

// APIUnavailable lets the API answer 503, as a proxy does that finds no service behind
// it. Limit it with At, Times and Lasting.
//
// In the field: a service restarts or is upgraded.
//
// A client sees: 503 with Retry-After: 1 and a body of HTML.
//
// Welkin: does not learn of the request.
func APIUnavailable() Fault {
	return onRequest("APIUnavailable", func(_ *Injection, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		proxied(w, http.StatusServiceUnavailable, http.Header{"Retry-After": {retryAfter}})
	})
}

// APIFails lets the API answer 500. Limit it with At and Times.
//
// In the field: a bug, a lost connection to the database or the message broker.
//
// A client sees: 500 with an error in the service's own form.
//
// Welkin: does not learn of the request.
func APIFails() Fault {
	return onRequest("APIFails", refuses(http.StatusInternalServerError, "Unexpected API error.", nil))
}

// APISlow lets requests wait on the cloud's clock before they are served. Limit it with
// At: "GET /compute/v2.1/servers/detail" is the slow list of servers.
//
// In the field: a database without an index, too few workers, a list of thousands.
//
// A client sees: the answer late, or its own timeout.
//
// Welkin: serves the request if the client still waits for it.
func APISlow(d time.Duration) Fault {
	return onRequest("APISlow", func(in *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if in.pause(r.Context(), d) == nil {
			next.ServeHTTP(w, r)
		}
	})
}

// RateLimited lets the API answer 429. Limit it with At and Times.
//
// In the field: a proxy or a service limits the rate of a client.
//
// A client sees: 429 with Retry-After: 1 and an error in the service's own form.
//
// Welkin: does not learn of the request.
func RateLimited() Fault {
	return onRequest("RateLimited", refuses(http.StatusTooManyRequests, "Too many requests. Please try again later.",
		http.Header{"Retry-After": {retryAfter}}))
}

// ConflictsOnce lets the API answer 409 once. Limit it with At.
//
// In the field: two clients change a resource at once, or it is in a state in between.
//
// A client sees: 409 with an error in the service's own form; the same request succeeds
// afterwards.
//
// Welkin: does not learn of the first request.
func ConflictsOnce() Fault {
	return onRequest("ConflictsOnce", refuses(http.StatusConflict, "The resource is being changed by somebody else.", nil)).Times(1)
}

// ReadsLag lets a resource that was just made not be found for one read.
//
// In the field: reads go to a replica of the database that lags behind.
//
// A client sees: 404 for the first GET of a resource, and 200 for the next.
//
// Welkin: its own reads never lag; only the answer is another.
func ReadsLag() Fault {
	f := onRequest("ReadsLag", refuses(http.StatusNotFound, "The resource could not be found.", nil),
		"GET /compute/v2.1/servers/{id}", "GET /network/v2.0/{kind}/{id}", "GET /volume/v3/{kind}/{id}", "GET /image/v2/images/{id}")
	f.request.concerns = func(r *http.Request) bool {
		id := path.Base(r.URL.Path)
		return uuids.FindString(id) == id
	}
	return f.Times(1)
}

// GatewayTimesOut does what is asked, but the proxy answers 504.
//
// In the field: the service takes longer than the proxy waits.
//
// A client sees: 504 with a body of HTML, and cannot know what was done.
//
// Welkin: has done what was asked.
func GatewayTimesOut() Fault {
	return onRequest("GatewayTimesOut", func(_ *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(unheard{http.Header{}}, r)
		proxied(w, http.StatusGatewayTimeout, nil)
	})
}

// AnswerLost does what is asked, but breaks the connection before the answer.
//
// In the field: a proxy or a link fails at the wrong moment.
//
// A client sees: a connection reset by its peer, and cannot know what was done; Go's own
// client asks again by itself if the request was a GET.
//
// Welkin: has done what was asked.
func AnswerLost() Fault {
	return onRequest("AnswerLost", func(_ *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(unheard{http.Header{}}, r)
		reset(w)
	})
}

// AnswerCut breaks the connection in the middle of the answer's body.
//
// In the field: a worker of the service is killed, a proxy runs into a limit.
//
// A client sees: a status of success, half of a JSON document, and an unexpected end.
//
// Welkin: has done what was asked.
func AnswerCut() Fault { return onRequest("AnswerCut", cutsAnswer) }

func cutsAnswer(_ *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(&cutAnswer{ResponseWriter: w}, r)
}

// RequestLost breaks the connection before anything is done.
//
// In the field: a proxy restarts, a firewall drops what it does not know.
//
// A client sees: a connection reset by its peer.
//
// Welkin: does not learn of the request.
func RequestLost() Fault {
	return onRequest("RequestLost", func(_ *Injection, w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) })
}
