package recent_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/internal/recent"
)

func TestCacheKeepsWhatIsUsedAndStaysBounded(t *testing.T) {
	c := recent.New[int, string](10)
	c.Put(0, "kept")
	for i := 1; i < 1000; i++ {
		c.Put(i, "x")
		v, ok := c.Get(0)
		require.True(t, ok, "entry in constant use was dropped at %d", i)
		require.Equal(t, "kept", v)
		require.LessOrEqual(t, c.Len(), 20)
	}
	_, ok := c.Get(1)
	require.False(t, ok)
}
