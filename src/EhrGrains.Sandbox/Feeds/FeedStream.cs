using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Vendors;
using static EhrGrains.Sandbox.Feeds.Hl7Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>
/// One hospital's messages without end: all patients, several at a time as on a real day, then all again. The same seed and run
/// give the same messages, byte for byte.
/// </summary>
internal sealed class FeedStream(IVendor vendor, int seed, int patients, TimeZoneInfo zone)
{
    /// <summary>Patients whose messages are interleaved.</summary>
    private const int AtOnce = 8;

    private readonly FeedVoice voice = vendor.Voice;
    private readonly IDialect dialect = vendor.Dialect(seed);
    private readonly Dictionary<string, JsonObject> practitioners = Staff.Write(seed, vendor.Facts.Vendor, vendor.Facts.DisplayName)
        .Where(static resource => (string?)resource["resourceType"] == "Practitioner")
        .ToDictionary(static resource => (string)resource["id"]!);

    public IEnumerable<FeedMessage> Write(string run)
    {
        var number = 0;
        for (var round = 0; patients > 0; round++)
        {
            var random = SplitMix64.For(seed, $"feed/{vendor.Facts.Vendor}/{round}");
            var next = 0;
            var open = new List<IEnumerator<(string Trigger, string At, IReadOnlyList<string> Segments)>>();
            while (open.Count > 0 || next < patients)
            {
                while (open.Count < AtOnce && next < patients)
                {
                    open.Add(Script(next++, round).Tell().GetEnumerator());
                }

                var teller = random.Pick(open);
                if (!teller.MoveNext())
                {
                    open.Remove(teller);
                    continue;
                }

                var control = string.Create(CultureInfo.InvariantCulture, $"{run}{++number:D7}");
                yield return new FeedMessage(control, teller.Current.Trigger, Text(control, teller.Current));
            }
        }
    }

    private FeedScript Script(int index, int round) => new(
        voice, dialect, zone, practitioners, Chart.Write(seed, vendor.Facts.Vendor, index),
        SplitMix64.For(seed, $"feed/{vendor.Facts.Vendor}/{round}/{index}"));

    private string Text(string control, (string Trigger, string At, IReadOnlyList<string> Segments) message)
    {
        var (code, trigger) = (message.Trigger[..3], message.Trigger[4..]);
        var structure = trigger switch
        {
            "R01" => "ORU_R01",
            "A40" => "ADT_A39",
            "A04" or "A08" or "A13" => "ADT_A01",
            "A11" => "ADT_A09",
            "A31" => "ADT_A05",
            _ => "ADT_" + trigger,
        };
        var header = Segment(
            "MSH", @"^~\&", Escape(voice.Application), voice.Facility, "EHRGRAINS", "CLOUD", message.At, "",
            voice.Modern ? $"{code}^{trigger}^{structure}" : message.Trigger, control, "P", voice.Version, "", "", "", "", "", voice.CharacterSet);
        return string.Concat(message.Segments.Prepend(header).Select(static segment => segment + "\r"));
    }
}
