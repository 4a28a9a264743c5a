"""The same queues in SimPy and Ciw, as JSON Lines; `cargo xtask bench sim` runs it."""

import json
import random
import time

import ciw
import simpy


def tell(tool, case, requests, run):
    start = time.perf_counter()
    value = run()
    seconds = time.perf_counter() - start
    print(json.dumps({"tool": tool, "case": case, "requests": requests, "seconds": round(seconds, 3), "value": value}), flush=True)


def simpy_queue(requests, rate, size, service):
    """A queue served in greedy batches of at most `size`; the mean wait."""
    rng = random.Random(1)
    env = simpy.Environment()
    waiting, waits = [], []
    state = {"idle": None, "left": requests}

    def arrive():
        for _ in range(requests):
            yield env.timeout(rng.expovariate(rate))
            waiting.append(env.now)
            if state["idle"] is not None:
                idle, state["idle"] = state["idle"], None
                idle.succeed()

    def serve():
        while state["left"]:
            if not waiting:
                state["idle"] = env.event()
                yield state["idle"]
            batch = waiting[:size]
            del waiting[:size]
            waits.extend(env.now - it for it in batch)
            state["left"] -= len(batch)
            yield env.timeout(service(rng, len(batch)))

    env.process(arrive())
    env.process(serve())
    env.run()
    return sum(waits) / len(waits)


def ciw_m_m_1(requests):
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(0.8)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[1],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(requests, method="Complete")
    waits = [record.waiting_time for record in simulation.get_all_records()]
    return sum(waits) / len(waits)


tell("SimPy", "M/M/1", 200_000, lambda: simpy_queue(200_000, 0.8, 1, lambda rng, n: rng.expovariate(1.0)))
tell("SimPy", "greedy", 500_000, lambda: simpy_queue(500_000, 40.0, 32, lambda rng, n: 0.3 + 0.01 * n))
tell("Ciw", "M/M/1", 50_000, lambda: ciw_m_m_1(50_000))
