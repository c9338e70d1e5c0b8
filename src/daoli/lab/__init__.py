"""Docker hosts with Open vSwitch in namespaces of one machine: the demo, the tests and the benchmarks run on them."""
