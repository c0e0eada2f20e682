using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Resources: their ids, whose they are, and how they refer to each other.</summary>
internal sealed partial class MappingRun
{
    private MadeResource Make(MapPlan map, scoped in Frame frame)
    {
        var isSegment = map.ResourceSlot >= 0;
        var patient = isSegment ? PatientOf(frame.Position) : frame.Resource.Patient;
        var id = isSegment && map.Target.Name == "Patient" && ids[frame.Position] == "PID"
            ? context.Patients[patient]
            : IdOf(map.Target.Name, KeyOf(map, frame) ?? DefaultKey(isSegment, frame));
        var made = new MadeResource(map, pool.Take(null, map.Target, null, null, 0), id, frame.Position, patient);
        resources.Add(made);
        return made;
    }

    // A message speaks of one place or person several times: its id is made once.
    private string IdOf(string type, string key)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(madeIds, (type, key), out _);
        return id ??= context.Identity.IdOf(type, key);
    }

    private int PatientOf(int position)
    {
        if (MessageSegments.Contains(ids[position]))
        {
            return -1;
        }

        var found = FindSegment(plan.PatientSlot, position);
        return found < 0 ? -1 : bySlot[plan.PatientSlot].BinarySearch(found);
    }

    private string? KeyOf(MapPlan map, scoped in Frame frame)
    {
        foreach (var key in map.Keys)
        {
            if (key.Length > 0 && PartOfKey(key[0], frame) is { Length: > 0 } first)
            {
                var text = new StringBuilder(first);
                foreach (var part in key.AsSpan(1))
                {
                    text.Append('|').Append(PartOfKey(part, frame));
                }

                return text.ToString();
            }
        }

        return null;
    }

    private string PartOfKey(SourcePlan[] alternatives, scoped in Frame frame)
    {
        foreach (var source in alternatives)
        {
            if (source.Kind == SourceKind.Resource)
            {
                if (FindResource(source.Slot, frame.Position) is { } other)
                {
                    return other.Id;
                }
            }
            else if (source.IsConstant)
            {
                return source.Texts[0];
            }
            else if (IsValued(source, frame))
            {
                return Get(source, frame).GetString().Trim();
            }
        }

        return "";
    }

    // A part of a message that nothing identifies is known by where it stands: a resend says the same of it. A person, a place or a
    // thing that a field names without a number is known by all that the field says.
    private string DefaultKey(bool isSegment, scoped in Frame frame)
    {
        if (!isSegment)
        {
            return frame.Value.GetString();
        }

        var control = message["MSH-10"];
        var number = slots[frame.Position] >= 0 ? bySlot[slots[frame.Position]].BinarySearch(frame.Position) : frame.Position;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{message["MSH-3"].GetString()}|{message["MSH-4"].GetString()}|{(control.HasValue ? control.GetString() : context.Source)}|{ids[frame.Position]}|{number}");
    }

    private void SetReference(Node node, MadeResource to)
    {
        var element = node.Type["reference"];
        var reference = pool.Take(element, element.Type, node, null, 0);
        reference.Text = $"{to.Type}/{to.Id}";
        node.Insert(reference);
        reference.Keep();
    }

    // One thing that several fields speak of is one resource: the first says what it says, the others what it leaves open.
    private void Merge()
    {
        for (var i = 0; i < resources.Count; i++)
        {
            var resource = resources[i];
            if (!resource.Node.HasContent)
            {
                continue;
            }

            if (!byId.TryGetValue((resource.Patient, resource.Type, resource.Id), out var first))
            {
                byId.Add((resource.Patient, resource.Type, resource.Id), resource);
            }
            else
            {
                first.Node.Merge(resource.Node);
                resource.Node.Drop();
            }
        }
    }

    private void ResolveLinks()
    {
        foreach (var (node, source, line, position, from) in links)
        {
            var to = source.Kind == SourceKind.Self ? from : FindResource(source.Slot, position);
            if (to is not null && byId.TryGetValue((to.Patient, to.Type, to.Id), out var kept))
            {
                SetReference(node, kept);
            }
            else
            {
                node.Drop();
                var frame = FrameOf(position);
                frame.Node = node.Parent!;
                Step(line, frame, RuleFinding.NoResource);
            }
        }
    }
}
