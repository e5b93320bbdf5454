// The heap of a Go service: maps of structures, slices, interfaces, channels, goroutines.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"sort"
	"strings"
	"time"
)

type event struct {
	ID     uint64            `json:"id"`
	At     time.Time         `json:"at"`
	Source string            `json:"source"`
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
	next   *event
}

func main() {
	random := rand.New(rand.NewSource(5))
	events := map[uint64]*event{}
	var last *event
	start := time.Unix(1700000000, 0)
	for at := 0; at < 30000; at++ {
		labels := map[string]string{"zone": fmt.Sprint("zone-", at%17), "host": fmt.Sprintf("node%03d", random.Intn(200))}
		last = &event{uint64(random.Int63()), start.Add(time.Duration(at) * time.Second), strings.Repeat("s", at%5) + "ensor", labels, random.Float64(), last}
		events[last.ID] = last
	}
	ids := make([]uint64, 0, len(events))
	for id := range events {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(a, b int) bool { return ids[a] < ids[b] })
	var documents []any
	for _, id := range ids[:5000] {
		text, _ := json.Marshal(events[id])
		var document any
		if json.Unmarshal(text, &document) == nil {
			documents = append(documents, document)
		}
	}
	requests := make(chan *event, 1024)
	for worker := 0; worker < 500; worker++ {
		go func() {
			scratch := make([]byte, 0, 1024)
			for request := range requests {
				scratch = append(scratch[:0], request.Source...)
			}
		}()
	}
	for _, id := range ids {
		requests <- events[id]
	}
	fmt.Println("corpus: ready")
	time.Sleep(time.Hour)
	fmt.Println(len(documents), last.Value)
}
