package store

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metricPrefixes name what etcd's server says of itself (etcd 3.7, metrics). Its client's metrics, and those of
// the process, are the API server's own already.
var metricPrefixes = []string{"etcd_disk_", "etcd_mvcc_", "etcd_server_"}

// Metrics collects the store's metrics from where etcd registers them, for a registry that is served behind
// authentication: the store itself is not to be reached from outside.
func Metrics() prometheus.Collector { return collector{prometheus.DefaultGatherer} }

type collector struct{ source prometheus.Gatherer }

// Describe says nothing: which metrics there are is etcd's to know (an unchecked collector).
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect leaves out what cannot be gathered, so that a scrape is answered with the rest.
func (c collector) Collect(metrics chan<- prometheus.Metric) {
	families, _ := c.source.Gather()
	for _, family := range families {
		if !ofStore(family.GetName()) {
			continue
		}
		desc := prometheus.NewDesc(family.GetName(), family.GetHelp(), nil, nil)
		for _, metric := range family.GetMetric() {
			metrics <- gathered{desc, metric}
		}
	}
}

func ofStore(name string) bool {
	for _, prefix := range metricPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// gathered is a metric with the values that it had.
type gathered struct {
	desc   *prometheus.Desc
	values *dto.Metric
}

func (g gathered) Desc() *prometheus.Desc { return g.desc }

func (g gathered) Write(out *dto.Metric) error {
	out.Label = g.values.Label
	out.Gauge, out.Counter, out.Untyped = g.values.Gauge, g.values.Counter, g.values.Untyped
	out.Summary, out.Histogram, out.TimestampMs = g.values.Summary, g.values.Histogram, g.values.TimestampMs
	return nil
}
