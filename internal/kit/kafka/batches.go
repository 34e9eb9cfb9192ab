package kafka

import (
	"errors"
	"sync"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What brokers send to a subscriber that has not been looked at.
const (
	answered = 16 << 20               // bytes that an answer may have
	fetched  = 1 << 20                // bytes that a broker is asked for, which sends a batch at least
	asked    = 8                      // brokers that are asked at a time, or have answered what is not read yet
	waits    = 500 * time.Millisecond // that a broker has which has nothing, while others may have to wait for their turn
	opened   = 32 << 20               // bytes of memory that batches which were compressed may have when one more is opened
	inflated = 128 << 20              // bytes that a batch may have when it is no longer compressed
	largest  = 512 << 20              // bytes of memory that it may have with what becomes of its records, as one of 16 MiB that was never compressed
)

// batches opens the batches of a client as long as there is memory for them. It is the
// Decompressor, a pool and a hook of the client.
type batches struct {
	most    int    // as opened, which is for those of subscribers
	largest int    // as the constant
	refused func() // is called when one is too large

	mu     sync.Mutex
	open   map[*byte]int // of memory, by their first byte
	sum    int
	polled []*kgo.Record // that are to be given back
}

var (
	errCrowded = errors.New("other batches have to be read first")
	errOld     = errors.New("a compressed batch is of a format from before Kafka 0.11, or of none")
)

// bounded is what the library opens batches with, which makes it for a client alone.
var bounded = sync.OnceValue(func() kgo.Decompressor {
	c, err := kgo.NewClient(kgo.MaxDecompressBatchBytes(inflated), kgo.DisableClientMetrics())
	if err != nil {
		panic(err) // of options that do not change
	}
	defer c.Close()
	return c.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
})

// Decompress opens a batch. The library asks for it again if it is refused for want of
// memory; one at a time is opened.
func (b *batches) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sum >= b.most {
		return nil, errCrowded
	}
	records, err := bounded().Decompress(src, codec)
	if errors.Is(err, kgo.ErrMaxDecompress) {
		b.refused()
	}
	if err != nil || len(records) == 0 {
		return nil, err
	}
	n, err := memory(records)
	if err != nil {
		return nil, err
	}
	if n += cap(records); n > b.largest {
		b.refused()
		return nil, kgo.ErrMaxDecompress
	}
	b.open[unsafe.SliceData(records)] = n
	b.sum += n
	return records, nil
}

// memory returns how many bytes of memory the library needs for records beside what they are
// made of, which is much for those that are empty.
func memory(in []byte) (n int, err error) {
	for first := true; len(in) > 0; first = false {
		length, used := kbin.Varint(in)
		end := used + int(length)
		if used <= 0 || length <= 0 || len(in) < end {
			if first {
				return 0, errOld
			}
			break // the library reads no further either
		}
		r := kbin.Reader{Src: in[used:end]}
		r.Int8() // as the library does
		r.Varlong()
		r.Varint()
		r.VarintBytes()
		r.VarintBytes()
		n += int(unsafe.Sizeof(kgo.Record{})+unsafe.Sizeof(&kgo.Record{})) + int(unsafe.Sizeof(kgo.RecordHeader{}))*max(0, int(r.VarintArrayLen()))
		in = in[end:]
	}
	return n, nil
}

// GetDecompressBytes is not called, since the library does not open batches by itself.
func (b *batches) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte { return nil }

// PutDecompressBytes notes that a batch is no longer needed.
func (b *batches) PutDecompressBytes(records []byte) {
	first := unsafe.SliceData(records)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sum -= b.open[first]
	delete(b.open, first)
}

// OnFetchRecordUnbuffered notes that a record is handed out, or gives one back that is not.
func (b *batches) OnFetchRecordUnbuffered(r *kgo.Record, polled bool) {
	if !polled {
		r.Recycle()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.polled = append(b.polled, r)
}

// done gives back what was handed out, and what was left out because its partition is paused.
func (b *batches) done() {
	b.mu.Lock()
	polled := b.polled
	b.polled = nil
	b.mu.Unlock()
	for _, r := range polled {
		r.Recycle()
	}
}
