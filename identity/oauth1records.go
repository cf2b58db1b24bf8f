package identity

import (
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// consumerRow is a consumer as stored: its secret is encrypted.
type consumerRow struct {
	Consumer
	Sealed string `json:"sealed"`
}

// requestToken is a consumer's wish for access that waits for somebody to authorise it.
type requestToken struct {
	ID         string    `json:"id"`
	ConsumerID string    `json:"consumer"`
	ProjectID  string    `json:"project"`
	UserID     string    `json:"user,omitempty"` // who has authorised it
	RoleIDs    []string  `json:"roles,omitempty"`
	ExpiresAt  time.Time `json:"expires"`
	Sealed     string    `json:"sealed"`             // the secret
	Verifier   string    `json:"verifier,omitempty"` // encrypted too
}

// accessTokenRow is an access token as stored: its secret is encrypted.
type accessTokenRow struct {
	AccessToken
	Sealed string `json:"sealed"`
}

// usedNonce says that a request was seen: it is not taken again.
type usedNonce struct {
	Key       string    `json:"key"` // a hash
	ExpiresAt time.Time `json:"expires"`
}

// oauthTables are the collections of OAuth1.
type oauthTables struct {
	consumers *state.Collection[consumerRow]

	requestTokens   *state.Collection[requestToken]
	requestConsumer *state.Index[requestToken]
	requestProject  *state.Index[requestToken]
	requestUser     *state.Index[requestToken]
	requestTill     *state.Index[requestToken]

	accessTokens   *state.Collection[accessTokenRow]
	accessConsumer *state.Index[accessTokenRow]
	accessProject  *state.Index[accessTokenRow]
	accessUser     *state.Index[accessTokenRow]
	accessTill     *state.Index[accessTokenRow]

	nonces    *state.Collection[usedNonce]
	nonceTill *state.Index[usedNonce]
}

func (t *oauthTables) define(db *state.DB) {
	t.consumers = state.Define(db, state.Spec[consumerRow]{
		Name: "identity.consumers", Noun: "consumer",
		Key: consumerKey,
	})
	t.requestConsumer = state.NewIndex("consumer", func(r *requestToken) []string { return []string{r.ConsumerID} })
	t.requestProject = state.NewIndex("project", func(r *requestToken) []string { return []string{r.ProjectID} })
	t.requestUser = state.NewIndex("user", func(r *requestToken) []string { return optional(r.UserID) })
	t.requestTill = state.NewIndex("expires", func(r *requestToken) []string { return []string{sortedTime(r.ExpiresAt)} })
	t.requestTokens = state.Define(db, state.Spec[requestToken]{
		Name: "identity.request_tokens", Noun: "request token",
		Key:     requestTokenKey,
		Indexes: []*state.Index[requestToken]{t.requestConsumer, t.requestProject, t.requestUser, t.requestTill},
	})
	t.accessConsumer = state.NewIndex("consumer", func(a *accessTokenRow) []string { return []string{a.ConsumerID} })
	t.accessProject = state.NewIndex("project", func(a *accessTokenRow) []string { return []string{a.ProjectID} })
	t.accessUser = state.NewIndex("user", func(a *accessTokenRow) []string { return []string{a.UserID} })
	t.accessTill = state.NewIndex("expires", func(a *accessTokenRow) []string { return []string{sortedTime(a.ExpiresAt)} })
	t.accessTokens = state.Define(db, state.Spec[accessTokenRow]{
		Name: "identity.access_tokens", Noun: "access token",
		Key:     accessTokenKey,
		Indexes: []*state.Index[accessTokenRow]{t.accessConsumer, t.accessProject, t.accessUser, t.accessTill},
	})
	t.nonceTill = state.NewIndex("expires", func(n *usedNonce) []string { return []string{sortedTime(n.ExpiresAt)} })
	t.nonces = state.Define(db, state.Spec[usedNonce]{
		Name: "identity.oauth_nonces", Noun: "nonce",
		Key:     nonceKey,
		Indexes: []*state.Index[usedNonce]{t.nonceTill},
	})
}

func consumerKey(c *consumerRow) string       { return c.ID }
func requestTokenKey(r *requestToken) string  { return r.ID }
func accessTokenKey(a *accessTokenRow) string { return a.ID }
func nonceKey(n *usedNonce) string            { return n.Key }

// sortedTime is a time as the key of an index that is in order of time.
func sortedTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// sweep removes documents that have expired, most of them at most; ix is in order of
// their expiry.
func sweep[T any](tx *state.Tx, c *state.Collection[T], ix *state.Index[T], key func(*T) string,
	expires func(*T) time.Time, now time.Time, most int) error {
	var outdated []string
	for doc := range c.Where(tx, ix) {
		if len(outdated) == most || expires(&doc).After(now.Add(-time.Second)) {
			break
		}
		outdated = append(outdated, key(&doc))
	}
	for _, k := range outdated {
		if err := c.Delete(tx, k); err != nil {
			return err
		}
	}
	return nil
}

// dropConsumer removes what a consumer has been given.
func (t *oauthTables) dropConsumer(tx *state.Tx, id string) error {
	return firstError(
		deleteAll(tx, t.requestTokens, t.requestConsumer, requestTokenKey, id),
		deleteAll(tx, t.accessTokens, t.accessConsumer, accessTokenKey, id),
	)
}

// dropUser removes what a user has given.
func (t *oauthTables) dropUser(tx *state.Tx, id string) error {
	return firstError(
		deleteAll(tx, t.requestTokens, t.requestUser, requestTokenKey, id),
		deleteAll(tx, t.accessTokens, t.accessUser, accessTokenKey, id),
	)
}

// dropProject removes access to a project.
func (t *oauthTables) dropProject(tx *state.Tx, id string) error {
	return firstError(
		deleteAll(tx, t.requestTokens, t.requestProject, requestTokenKey, id),
		deleteAll(tx, t.accessTokens, t.accessProject, accessTokenKey, id),
	)
}
