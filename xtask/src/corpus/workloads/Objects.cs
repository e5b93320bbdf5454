// Objects, generic collections, strings of 16-bit characters and structures on a .NET heap.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading;

struct Point { public double X, Y; public int Layer; }

class Item {
    public Guid Id; public string Name; public decimal Price; public DateTime Added; public List<Point> Outline = new List<Point>(); public Item Parent;
}

static class Objects {
    static void Main() {
        var random = new Random(6);
        var items = new List<Item>();
        var bytes = new byte[16];
        for (int at = 0; at < 20000; at++) {
            random.NextBytes(bytes);
            var item = new Item { Id = new Guid(bytes), Name = "item " + at * 7919 % 10007, Price = at / 8m, Added = new DateTime(2020, 1, 1).AddMinutes(at) };
            for (int corner = 0; corner < at % 6; corner++) item.Outline.Add(new Point { X = random.NextDouble(), Y = at, Layer = corner });
            if (at > 0) item.Parent = items[at / 2];
            items.Add(item);
        }
        var byName = items.GroupBy(item => item.Name).ToDictionary(group => group.Key, group => group.ToArray());
        var text = new StringBuilder();
        foreach (var item in items) text.AppendFormat("{0:D6};{1};{2}\n", item.Outline.Count, item.Name, item.Price);
        var lines = text.ToString().Split('\n');
        var sorted = new SortedDictionary<int, string>();
        for (int at = 0; at < 20000; at++) sorted[random.Next()] = lines[at % lines.Length];
        var boxed = Enumerable.Range(0, 50000).Select(number => number % 3 == 0 ? (object) number : number / 2.0).ToArray();
        Console.WriteLine("corpus: ready");
        Thread.Sleep(3600000);
        Console.WriteLine(byName.Count + sorted.Count + boxed.Length);
    }
}
