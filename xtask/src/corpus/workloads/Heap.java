// Records, collections, strings, boxed numbers and arrays on a Java heap. The launcher compiles this
// file in the same process, so that the compiler's own structures are on the heap, too.
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Heap {
    record Order(long number, String customer, double amount, List<String> items, Optional<Order> previous) {}

    static final class Node {
        int key; Node left, right; long weight;
        Node(int key) { this.key = key; this.weight = key * 31L; }
    }

    static Node insert(Node root, int key) {
        if (root == null) return new Node(key);
        if (key < root.key) root.left = insert(root.left, key); else root.right = insert(root.right, key);
        return root;
    }

    public static void main(String[] arguments) throws Exception {
        var random = new Random(7);
        var orders = new ArrayList<Order>();
        for (int at = 0; at < 40_000; at++) {
            var items = IntStream.range(0, random.nextInt(5)).mapToObj(item -> "item-" + random.nextInt(500)).toList();
            var previous = at % 4 == 0 || orders.isEmpty() ? Optional.<Order>empty() : Optional.of(orders.get(at - 1));
            orders.add(new Order(1_000_000L + at, "customer " + at % 3000, random.nextInt(100_000) / 100.0, items, previous));
        }
        var byCustomer = orders.stream().collect(Collectors.groupingBy(Order::customer, TreeMap::new, Collectors.toList()));
        var counts = new ConcurrentHashMap<Integer, LongSummaryStatistics>();
        for (var order : orders) counts.computeIfAbsent((int) order.amount(), key -> new LongSummaryStatistics()).accept(order.number());
        Node root = null;
        for (int at = 0; at < 60_000; at++) root = insert(root, random.nextInt());
        double[][] grid = new double[300][300];
        for (double[] row : grid) Arrays.setAll(row, x -> Math.sqrt(x) + random.nextGaussian());
        var lines = new LinkedList<String>();
        for (int at = 0; at < 20_000; at++) lines.add(String.format("%06d %s %.3f", at, Integer.toHexString(random.nextInt()), random.nextDouble()));
        var queue = new PriorityQueue<Map.Entry<Long, String>>(Map.Entry.comparingByKey());
        for (String line : lines) queue.add(Map.entry(random.nextLong(), line));
        System.out.println("corpus: ready");
        Thread.sleep(3_600_000);
        System.out.println(root.weight + byCustomer.size() + counts.size() + queue.size() + grid.length);
    }
}
