package store

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestOfWhatIsGatheredOnlyTheStoresMetricsAreCollected(t *testing.T) {
	source := prometheus.NewRegistry()
	fsync := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "etcd_disk_wal_fsync_duration_seconds", Help: "h"})
	size := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "etcd_mvcc_db_total_size_in_bytes", Help: "h"}, []string{"db"})
	foreign := prometheus.NewCounter(prometheus.CounterOpts{Name: "etcd_requests_total", Help: "h"})
	source.MustRegister(fsync, size, foreign)
	fsync.Observe(0.5)
	size.WithLabelValues("main").Set(7)

	served := prometheus.NewRegistry()
	served.MustRegister(collector{source})
	families, err := served.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 2 {
		t.Fatalf("%d families, want 2: %v", len(families), families)
	}
	if got := families[0].GetMetric()[0].GetHistogram().GetSampleSum(); got != 0.5 {
		t.Errorf("the sum of the histogram is %v, want 0.5", got)
	}
	gauge := families[1].GetMetric()[0]
	if gauge.GetGauge().GetValue() != 7 || gauge.GetLabel()[0].GetValue() != "main" {
		t.Errorf("the gauge is %v, want 7 with its label", gauge)
	}
}
