using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Hl7v2.Tables;

/// <summary>
/// Compares a message with what the standard says of its structure and its fields. All that is wrong is reported, by position and
/// never by value. The tables are those of 2.9: required fields are looked for from 2.5 on, lengths from 2.7 on, which is when the
/// standard began to limit them so.
/// </summary>
public static class Hl7Conformance
{
    /// <summary>The most faults that are reported.</summary>
    public const int FaultsMax = 1_000;

    /// <summary>All that is wrong with a message that has been read; empty when nothing is.</summary>
    public static IReadOnlyList<Hl7Warning> Check(Hl7Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        var faults = new List<Hl7Warning>();
        if (Hl7Group.Of(message, out var unexpected) is { } root)
        {
            Missing(message, root, faults);
            faults.AddRange(unexpected.Where(position => !IsLocal(message.Segment(position))).Select(position => At(message, Hl7WarningCode.UnexpectedSegment, position, 0)));
        }

        var version = Hl7Tables.VersionOf(message);
        foreach (var segment in message.Segments)
        {
            Fields(message, segment, version, faults);
        }

        faults.Sort(static (one, other) => (one.Offset, one.Code).CompareTo((other.Offset, other.Code)));
        return faults.Count > FaultsMax ? faults[..FaultsMax] : faults;
    }

    private static bool IsLocal(Hl7Segment segment) => (segment.Id[0] | 0x20) == 'z';

    private static Hl7Warning At(Hl7Message message, Hl7WarningCode code, int position, int field) =>
        new(code, position, field, field > 0 ? message.Segment(position).Range(field).Start : message.Index.Lines[position].Start);

    private static void Missing(Hl7Message message, Hl7Group group, List<Hl7Warning> faults)
    {
        foreach (var child in group.Structure.Children)
        {
            if (child.IsRequired && !(child.IsGroup ? group.Groups.Any(inner => inner.Name == child.Name) : Has(message, group, child.Name)))
            {
                faults.Add(At(message, Hl7WarningCode.MissingSegment, group.First, 0));
            }
        }

        foreach (var inner in group.Groups)
        {
            Missing(message, inner, faults);
        }
    }

    private static bool Has(Hl7Message message, Hl7Group group, string id)
    {
        foreach (var position in group.Segments)
        {
            if (message.Segment(position).Is(id))
            {
                return true;
            }
        }

        return false;
    }

    private static void Fields(Hl7Message message, Hl7Segment segment, Hl7Version version, List<Hl7Warning> faults)
    {
        foreach (var field in Hl7Tables.Fields(System.Text.Encoding.ASCII.GetString(segment.Id).ToUpperInvariant()))
        {
            if (field.Optionality == Hl7Optionality.Withdrawn || faults.Count > FaultsMax || (segment.IsHeader && field.Number <= 2))
            {
                continue;
            }

            var value = segment[field.Number];
            if (value.IsEmpty)
            {
                if (field.Optionality == Hl7Optionality.Required && version >= Hl7Version.V25)
                {
                    faults.Add(At(message, Hl7WarningCode.MissingField, segment.Index, field.Number));
                }

                continue;
            }

            if (value.RepetitionCount > field.RepetitionsMax)
            {
                faults.Add(At(message, Hl7WarningCode.TooManyRepetitions, segment.Index, field.Number));
            }

            var type = field.Type == "Varies" && segment.Is("OBX") ? segment[2].GetString() : field.Type;
            foreach (var repetition in value.Repetitions)
            {
                if (Fault(repetition, field, type, version) is { } code)
                {
                    faults.Add(At(message, code, segment.Index, field.Number));
                }
            }
        }
    }

    private static Hl7WarningCode? Fault(Hl7Value value, Hl7Field field, string type, Hl7Version version)
    {
        if (!value.HasValue)
        {
            return null;
        }

        var isOfType = type switch
        {
            "NM" => value.TryReadNumber(out _),
            "SI" => value.TryReadSequence(out _),
            "DTM" or "TS" or "DT" => Hl7Time.TryRead(value, out _),
            "TM" => Hl7TimeOfDay.TryRead(value, out _),
            _ => true,
        };
        if (!isOfType)
        {
            return Hl7WarningCode.WrongType;
        }

        var isTooLong = version >= Hl7Version.V27 && field.LengthMax is { } max && value.Raw.Length > max && value.GetString().Length > max
            && Hl7Tables.Components(type).Count == 0;
        return isTooLong ? Hl7WarningCode.TooLong : null;
    }
}
