package flow

import "hash/maphash"

// texts gives strings for bytes that come again and again, without a new allocation for each. It forgets a text when
// another one needs its place.
type texts struct {
	seed maphash.Seed // places texts only; no result depends on it
	seen [textSlots]string
	keys map[string]string
}

const (
	textSlots = 1 << 13
	textMax   = 256 // bytes of a text that is worth a place
)

func newTexts() *texts {
	return &texts{seed: maphash.MakeSeed(), keys: make(map[string]string)}
}

func (t *texts) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > textMax {
		return string(b)
	}
	at := maphash.Bytes(t.seed, b) % textSlots
	first, second := &t.seen[at], &t.seen[at^1]
	switch {
	case *first == string(b):
	case *second == string(b):
		return *second
	default: // two texts of one place both stay: they may come in turn
		*second, *first = *first, string(b)
	}
	return *first
}

// key joins a prefix of attribute names with a header's name; the names are those of the configuration.
func (t *texts) key(prefix, name string) string {
	k, ok := t.keys[name+prefix]
	if !ok {
		k = prefix + name
		t.keys[name+prefix] = k
	}
	return k
}
