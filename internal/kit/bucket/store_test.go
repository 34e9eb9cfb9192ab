package bucket

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func TestStoreTake(t *testing.T) {
	start := time.Now()
	s := NewStore(2, 2, 100)
	steps := []struct {
		key   string
		at    time.Duration
		want  bool
		retry time.Duration
	}{
		{"a", 0, true, 0},
		{"a", 0, true, 0},
		{"a", 0, false, 500 * time.Millisecond},
		{"b", 0, true, 0},
		{"", 0, true, 0},
		{"a", 400 * time.Millisecond, false, 100 * time.Millisecond},
		{"a", 500 * time.Millisecond, true, 0},
		{"a", 500 * time.Millisecond, false, 500 * time.Millisecond},
		{"a", time.Hour, true, 0},
		{"a", time.Hour, true, 0},
		{"a", time.Hour, false, 500 * time.Millisecond},
	}
	for i, step := range steps {
		ok, retry := s.Take(step.key, start.Add(step.at))
		if ok != step.want || retry != step.retry {
			t.Errorf("step %d: Take(%q) = %v, %v, want %v, %v", i, step.key, ok, retry, step.want, step.retry)
		}
	}
}

// TestStoreAgainstBuckets checks that a store with room for all keys cannot be
// told from a bucket per key, whatever it drops.
func TestStoreAgainstBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 3).Draw(t, "capacity")
		s := NewStore(10, capacity, 20)
		buckets := map[string]*Bucket{}
		now := time.Now()
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 150).Draw(t, "ms")) * time.Millisecond)
			key := strconv.Itoa(rapid.IntRange(0, 19).Draw(t, "key"))
			b := buckets[key]
			if b == nil {
				b = New(10, capacity)
				buckets[key] = b
			}
			want := b.Take(now)
			ok, retry := s.Take(key, now)
			if ok != want || !ok && retry != b.RetryAfter(now) {
				t.Fatalf("Take(%q) = %v, %v, want %v, %v", key, ok, retry, want, b.RetryAfter(now))
			}
			if n := s.Len(); n > len(buckets) {
				t.Fatalf("%d entries for %d keys", n, len(buckets))
			}
		}
	})
}

func TestStoreIsBounded(t *testing.T) {
	for _, most := range []int{1, 7, 64, 129, 1000, 10_000} {
		s := NewStore(1, 5, most)
		now := time.Now()
		for i := range 3 * most {
			if ok, _ := s.Take(strconv.Itoa(i), now); !ok {
				t.Fatalf("room for %d: new key %d was refused", most, i)
			}
		}
		if got := s.Len(); got > most || got < most/2 {
			t.Errorf("room for %d: %d entries", most, got)
		}
	}
}

// TestFloodKeepsTheThrottled fills a store beyond its cap with keys that are
// seen once, and expects the few that used up their bucket to stay refused.
func TestFloodKeepsTheThrottled(t *testing.T) {
	s := NewStore(0.001, 10, 1024)
	now := time.Now()
	for i := range 10 {
		for range 10 {
			s.Take(fmt.Sprint("greedy", i), now)
		}
	}
	for i := range 100_000 {
		s.Take(strconv.Itoa(i), now)
	}
	for i := range 10 {
		if ok, _ := s.Take(fmt.Sprint("greedy", i), now); ok {
			t.Errorf("greedy%d was forgiven", i)
		}
	}
}

func TestIdleKeysAreDropped(t *testing.T) {
	s := NewStore(1, 1, 100_000)
	now := time.Now()
	for i := range 50_000 {
		s.Take(strconv.Itoa(i), now)
	}
	if got := s.Len(); got != 50_000 {
		t.Fatalf("%d entries, want 50000", got)
	}
	now = now.Add(time.Second)
	for i := range 200_000 { // each call looks at two entries
		s.Take(strconv.Itoa(i%2000), now.Add(time.Duration(i)*time.Millisecond))
	}
	if got := s.Len(); got > 2000 {
		t.Errorf("%d entries after the others have been idle, want at most 2000", got)
	}
	for i := range s.shards {
		if h := &s.shards[i]; len(h.index) != len(h.slots) || cap(h.slots) > 16*shrink {
			t.Errorf("shard %d: %d names for %d slots with room for %d", i, len(h.index), len(h.slots), cap(h.slots))
		}
	}
}

func TestStoreCopiesKeys(t *testing.T) {
	s := NewStore(1, 1, 10)
	now := time.Now()
	buffer := []byte("client")
	s.Take(unsafe.String(&buffer[0], len(buffer)), now) // as engines lend them
	s.Take(unsafe.String(&buffer[0], len(buffer)), now)
	copy(buffer, "XXXXXX")
	if ok, _ := s.Take("client", now); ok {
		t.Error("the key changed with the caller's buffer")
	}
}

// TestStoreKeepsNoKeys holds the memory of a key down to a constant: what is kept
// points nowhere, so nothing of a key can hang on it.
func TestStoreKeepsNoKeys(t *testing.T) {
	var pointsNowhere func(reflect.Type) bool
	pointsNowhere = func(r reflect.Type) bool {
		switch r.Kind() {
		case reflect.Struct:
			for i := range r.NumField() {
				if !pointsNowhere(r.Field(i).Type) {
					return false
				}
			}
			return true
		case reflect.Array:
			return pointsNowhere(r.Elem())
		}
		return reflect.Bool <= r.Kind() && r.Kind() <= reflect.Complex128
	}
	var h shard
	for _, kept := range []reflect.Type{reflect.TypeFor[slot](), reflect.TypeOf(h.index).Key(), reflect.TypeOf(h.index).Elem()} {
		if !pointsNowhere(kept) {
			t.Errorf("%v can hold on to a key", kept)
		}
	}
	if size := unsafe.Sizeof(slot{}); size > 32 {
		t.Errorf("a key costs %d bytes, want 32 at most", size)
	}
	s := NewStore(0.001, 2, 4096)
	now := time.Now()
	long := strings.Repeat("x", 60_000)
	for i := range 5000 {
		s.Take(long+strconv.Itoa(i), now)
	}
	if n := s.Len(); n > 4096 {
		t.Errorf("%d entries, want 4096 at most", n)
	}
	if ok, _ := s.Take(long+"1", now); !ok {
		t.Error("a long key that took one of two tokens has none left")
	}
	other := NewStore(1, 1, 1)
	if s.seeds == other.seeds {
		t.Error("two stores have the same seeds")
	}
}

// TestOwnBucketIsNotForgiven lets a client that used its bucket up make as many
// other keys as the store has room for, several times over.
func TestOwnBucketIsNotForgiven(t *testing.T) {
	for _, capacity := range []int{2, 5, 100} {
		const room = 1024
		s := NewStore(0.001, capacity, room)
		now := time.Now()
		for range capacity {
			s.Take("own", now)
		}
		for i := range 5 * room {
			s.Take(strconv.Itoa(i), now.Add(time.Duration(i)*time.Microsecond))
		}
		if ok, _ := s.Take("own", now.Add(time.Second)); ok {
			t.Errorf("capacity %d: %d further keys bought a new bucket", capacity, 5*room)
		}
	}
}

func TestStoreConcurrentTake(t *testing.T) {
	const capacity, keys = 100, 50
	s := NewStore(0.001, capacity, 1000)
	now := time.Now()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range capacity * keys {
				if ok, _ := s.Take(strconv.Itoa(i%keys), now); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != capacity*keys {
		t.Errorf("%d calls passed, want %d", got, capacity*keys)
	}
}

func TestNewStorePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NewStore without room does not panic")
		}
	}()
	NewStore(1, 1, 0)
}

func TestStoreAllocations(t *testing.T) {
	s := NewStore(1, 10, 1000)
	now := time.Now()
	if got := testing.AllocsPerRun(1000, func() { s.Take("192.0.2.1", now) }); got != 0 {
		t.Errorf("a call allocates %v times, want 0", got)
	}
}

func BenchmarkStoreTake(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("%d keys", n), func(b *testing.B) {
			s := NewStore(1, 1000, 1_000_000)
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprintf("198.51.%d.%d", i>>8, i&255)
			}
			now := time.Now()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Take(keys[i], now)
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkStoreFlood is a new key at every call, in a store that is full.
func BenchmarkStoreFlood(b *testing.B) {
	s := NewStore(1, 10, 10_000)
	now := time.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s.Take(strconv.Itoa(i), now)
		i++
	}
}
