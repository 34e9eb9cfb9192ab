package bucket

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = time.Second

func TestTakeN(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // since the bucket was drained
		n     int
		want  bool
	}{
		{"empty", 0, 1, false},
		{"just before a token", 100*time.Millisecond - 1, 1, false},
		{"one token earned", 100 * time.Millisecond, 1, true},
		{"one token earned, two asked", 100 * time.Millisecond, 2, false},
		{"half full", 500 * time.Millisecond, 5, true},
		{"full again", second, 10, true},
		{"never beyond capacity", time.Hour, 11, false},
		{"full after a long time", 1000 * time.Hour, 10, true},
		{"clock runs backwards", -second, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Unix(0, 0)
			b := New(10, 10)
			if !b.TakeN(start, 10) {
				t.Fatal("a new bucket is not full")
			}
			if got := b.TakeN(start.Add(tt.after), tt.n); got != tt.want {
				t.Errorf("TakeN(%d) after %v = %v, want %v", tt.n, tt.after, got, tt.want)
			}
		})
	}
}

// TestBurst counts what passes of a burst, which is where refilling an empty
// bucket only, or not at all, shows.
func TestBurst(t *testing.T) {
	tests := []struct {
		name     string
		rate     float64
		capacity int
		idle     time.Duration // before the second burst
		want     [2]int        // passed of two bursts of 12
	}{
		{"5 per second, capacity 10", 5, 10, 200 * time.Millisecond, [2]int{10, 1}},
		{"after idling the capacity, no more", 1, 3, time.Hour, [2]int{3, 3}},
		{"partly refilled", 1, 3, 2500 * time.Millisecond, [2]int{3, 2}},
		{"10 per hour", 10.0 / 3600, 1, 6 * time.Minute, [2]int{1, 1}},
		{"10 per hour, too soon", 10.0 / 3600, 1, 5 * time.Minute, [2]int{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := New(tt.rate, tt.capacity)
			now := time.Now()
			var got [2]int
			for i := range got {
				for range 12 {
					if b.Take(now) {
						got[i]++
					}
				}
				now = now.Add(tt.idle)
			}
			if got != tt.want {
				t.Errorf("passed %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSpikeArrest(t *testing.T) {
	b := New(5, 10)
	now := time.Now()
	for b.Take(now) {
	}
	passed := 0
	for range 100 { // one call every 50ms for 5s
		now = now.Add(50 * time.Millisecond)
		if b.Take(now) {
			passed++
		}
	}
	if passed != 25 {
		t.Errorf("%d of 100 calls passed in 5s at 5 per second, want 25", passed)
	}
}

func TestRetryAfter(t *testing.T) {
	start := time.Now()
	b := New(4, 2)
	steps := []struct {
		at   time.Duration
		take int
		want time.Duration // afterwards
	}{
		{0, 0, 0},
		{0, 1, 0},
		{0, 1, 250 * time.Millisecond},
		{100 * time.Millisecond, 0, 150 * time.Millisecond},
		{250 * time.Millisecond, 0, 0},
		{250 * time.Millisecond, 1, 250 * time.Millisecond},
		{time.Hour, 2, 250 * time.Millisecond},
	}
	for i, s := range steps {
		now := start.Add(s.at)
		if s.take > 0 && !b.TakeN(now, s.take) {
			t.Fatalf("step %d: no tokens", i)
		}
		if got := b.RetryAfter(now); got != s.want {
			t.Errorf("step %d: RetryAfter = %v, want %v", i, got, s.want)
		}
	}
}

func TestExtremes(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name     string
		rate     float64
		capacity int
		now      time.Time
	}{
		{"huge rate", math.MaxFloat64, 1, now},
		{"endless rate", math.Inf(1), 1, now},
		{"tiny rate", math.SmallestNonzeroFloat64, 1, now},
		{"tiny rate, huge capacity", 1e-9, math.MaxInt, now},
		{"huge capacity", 1, math.MaxInt, now},
		{"zero time", 1, 1, time.Time{}},
		{"far future", 1, 1, time.Unix(1<<40, 0)},
		{"far past, slow and large", 1e-9, math.MaxInt, time.Unix(-1<<40, 0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := New(tt.rate, tt.capacity)
			if !b.Take(tt.now) {
				t.Error("a new bucket is empty")
			}
			if b.TakeN(tt.now, math.MaxInt) {
				t.Error("more than any capacity was taken")
			}
			for i := 0; b.Take(tt.now); i++ {
				if i > 10 && tt.capacity == 1 {
					t.Fatal("an empty bucket gives tokens")
				}
				if i > 10 {
					break
				}
			}
		})
	}
}

func TestNewPanics(t *testing.T) {
	tests := []struct {
		rate     float64
		capacity int
	}{{0, 1}, {-1, 1}, {math.NaN(), 1}, {1, 0}, {1, -1}}
	for _, tt := range tests {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%v, %d) does not panic", tt.rate, tt.capacity)
				}
			}()
			New(tt.rate, tt.capacity)
		}()
	}
}

func TestRate(t *testing.T) {
	tests := []struct {
		maxRate  float64
		every    time.Duration
		capacity int
		wantRate float64
		wantCap  int
	}{
		{5, second, 0, 5, 5},
		{5, second, 10, 5, 10},
		{5, second, -1, 5, 5},
		{10, time.Hour, 0, 10.0 / 3600, 1},
		{10, time.Hour, 10, 10.0 / 3600, 10},
		{0.5, second, 0, 0.5, 1},
		{2.9, second, 0, 2.9, 2},
		{0.7, 100 * time.Millisecond, 0, 7, 7},
		{600, time.Minute, 0, 10, 10},
		{5, 0, 0, 5, 5},
		{1e15, second, 0, 1e15, math.MaxInt32},
	}
	for _, tt := range tests {
		rate, tokens := Rate(tt.maxRate, tt.every, tt.capacity)
		if rate != tt.wantRate || tokens != tt.wantCap {
			t.Errorf("Rate(%v, %v, %d) = %v, %d, want %v, %d",
				tt.maxRate, tt.every, tt.capacity, rate, tokens, tt.wantRate, tt.wantCap)
		}
	}
}

// TestAgainstCredit compares a bucket with its plain definition: a credit that
// grows with time, up to the capacity, and pays for tokens.
func TestAgainstCredit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := rapid.Int64Range(1, int64(time.Hour)).Draw(t, "nanoseconds per token")
		capacity := rapid.IntRange(1, 1000).Draw(t, "capacity")
		b := New(1e9/float64(interval), capacity)
		interval = b.limits.token // 1e9/rate may round to the next nanosecond

		now, credit := time.Now(), int64(capacity)*interval
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			step := rapid.Int64Range(0, 3*interval).Draw(t, "step")
			now = now.Add(time.Duration(step))
			credit = min(credit+step, int64(capacity)*interval)
			n := rapid.IntRange(1, capacity+1).Draw(t, "n")
			want := credit >= int64(n)*interval
			if got := b.TakeN(now, n); got != want {
				t.Fatalf("TakeN(%d) = %v with a credit of %d tokens", n, got, credit/interval)
			}
			if want {
				credit -= int64(n) * interval
			}
			if got, want := b.RetryAfter(now), time.Duration(max(0, interval-credit)); got != want {
				t.Fatalf("RetryAfter = %v, want %v", got, want)
			}
		}
	})
}

// TestNeverMoreThanTheLimit checks capacity + rate * elapsed for every span
// between two calls.
func TestNeverMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.001, 1e6).Draw(t, "rate")
		capacity := rapid.IntRange(1, 50).Draw(t, "capacity")
		b := New(rate, capacity)
		type taken struct {
			at time.Duration
			n  int
		}
		var log []taken
		at := time.Duration(0)
		start := time.Now()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at += time.Duration(rapid.Float64Range(0, 4).Draw(t, "tokens earned") / rate * 1e9)
			n := rapid.IntRange(1, capacity).Draw(t, "n")
			if b.TakeN(start.Add(at), n) {
				log = append(log, taken{at, n})
			}
		}
		for i := range log {
			sum := 0
			for _, x := range log[i:] {
				sum += x.n
				if most := float64(capacity) + rate*(x.at-log[i].at).Seconds(); float64(sum) > most+1e-6 {
					t.Fatalf("%d tokens taken in %v, at most %v are allowed", sum, x.at-log[i].at, most)
				}
			}
		}
	})
}

func TestConcurrentTake(t *testing.T) {
	const capacity = 1000
	b := New(1, capacity)
	now := time.Now()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range capacity {
				if b.Take(now) {
					passed.Add(1)
				}
				b.RetryAfter(now)
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != capacity {
		t.Errorf("%d tokens taken at once, want %d", got, capacity)
	}
}

func TestTakeAllocations(t *testing.T) {
	b := New(1, 10)
	now := time.Now()
	if got := testing.AllocsPerRun(1000, func() { b.Take(now); b.RetryAfter(now) }); got != 0 {
		t.Errorf("a call allocates %v times, want 0", got)
	}
}

func BenchmarkTake(b *testing.B) {
	b.ReportAllocs()
	bucket := New(1e6, 1000)
	now := time.Now()
	for b.Loop() {
		now = now.Add(500)
		bucket.Take(now)
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	b.ReportAllocs()
	bucket := New(1e6, 1000)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			bucket.Take(time.Now())
		}
	})
}
