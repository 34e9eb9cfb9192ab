package codec

// A budget is what is left of the memory that a decoded answer may take, in bytes; it
// has no end if it began without one.
type budget struct{ left *int64 }

func newBudget(limit int64) budget {
	if limit <= 0 {
		return budget{}
	}
	return budget{&limit}
}

// spend takes n bytes.
func (b budget) spend(n int) error {
	if b.left == nil {
		return nil
	}
	if *b.left -= int64(n); *b.left < 0 {
		return ErrTooLarge
	}
	return nil
}

// What trees take beside their text, on 64 bits: a map has room for eight members as
// soon as it has one. The YAML library makes a node and an event of every value and of
// every key.
const (
	costOfNode   = 64
	costOfObject = 336
	costOfMember = 64
	costOfItem   = 1500 // of a feed
	costOfYAML   = 240
)
