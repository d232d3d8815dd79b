// Package version holds what this binary calls itself. build.sh sets it from the project's pyproject.toml.
package version

// Version is Quantix' version.
var Version = "0.0.0-dev"
