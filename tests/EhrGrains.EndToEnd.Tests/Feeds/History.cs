namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>A message as its sender remembers it. Times are timestamps of one clock.</summary>
/// <param name="Sender">Who sent it.</param>
/// <param name="ControlId">MSH-10.</param>
/// <param name="FirstSentAt">When it was sent first.</param>
/// <param name="AcknowledgedAt">When it was acknowledged positively; null: never.</param>
/// <param name="TimesSent">How often it was sent.</param>
internal sealed record SentMessage(int Sender, string ControlId, long FirstSentAt, long? AcknowledgedAt, int TimesSent);

/// <summary>A message as the journal has it.</summary>
internal sealed record KeptMessage(long Position, string ControlId, int Resends);

/// <summary>What senders remember against what the journal of their feed holds.</summary>
internal static class History
{
    /// <summary>Everything that is wrong, one line each; empty: nothing acknowledged was lost, reordered or kept twice.</summary>
    internal static List<string> Compare(IReadOnlyCollection<SentMessage> sent, IReadOnlyList<KeptMessage> kept)
    {
        var wrong = new List<string>();
        var byId = sent.ToDictionary(s => s.ControlId);
        var positions = new Dictionary<string, long>(StringComparer.Ordinal);
        for (var i = 0; i < kept.Count; i++)
        {
            var (position, id, resends) = kept[i];
            if (position != i + 1)
            {
                wrong.Add($"position {i + 1} is missing");
            }

            if (!byId.TryGetValue(id, out var message))
            {
                wrong.Add($"{id} was never sent");
            }
            else if (!positions.TryAdd(id, position))
            {
                wrong.Add($"{id} is there twice");
            }
            else if (resends >= message.TimesSent)
            {
                wrong.Add($"{id} is marked as sent again {resends} times, and was sent {message.TimesSent} times in all");
            }
        }

        wrong.AddRange(sent.Where(s => s.AcknowledgedAt is not null && !positions.ContainsKey(s.ControlId)).Select(s => $"{s.ControlId} was lost"));

        // Whatever was sent after another one had been acknowledged comes after it; so does each sender's next message, for none of
        // them goes on before it has its acknowledgement.
        var latestSent = long.MinValue;
        foreach (var message in kept.Where(k => byId.ContainsKey(k.ControlId)).Select(k => byId[k.ControlId]))
        {
            if (message.AcknowledgedAt < latestSent)
            {
                wrong.Add($"{message.ControlId} comes after one that was sent when it had been acknowledged already");
            }

            latestSent = Math.Max(latestSent, message.FirstSentAt);
        }

        return wrong;
    }
}
