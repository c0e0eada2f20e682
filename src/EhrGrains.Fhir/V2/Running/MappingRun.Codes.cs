using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Codes: as elements of type code, Coding and CodeableConcept.</summary>
internal sealed partial class MappingRun
{
    private void SetCode(Node node, CodeEntry entry, bool isConstant = false)
    {
        switch (node.Type.Name)
        {
            case "Coding":
                FillCoding(node, entry, isConstant);
                break;
            case "CodeableConcept":
                AddCoding(node, entry, isConstant);
                break;
            default:
                node.Text = Primitives.Check(entry.Code!, node.Type, node.Element, out _);
                if (node.Text is not null && !isConstant)
                {
                    node.MarkContent();
                }

                break;
        }
    }

    private void SetConstant(Node node, CodeEntry? code, string? words)
    {
        if (code is not null)
        {
            SetCode(node, code, isConstant: true);
        }

        Set(node, "text", words, isConstant: true);
    }

    private void AddCoding(Node concept, CodeEntry entry, bool isConstant = false)
    {
        var element = concept.Type["coding"];
        for (var known = concept.First; known is not null; known = known.Next)
        {
            if (known.Element == element && TextOf(known, "code") == entry.Code && TextOf(known, "system") == entry.System)
            {
                FillCoding(known, entry, isConstant);
                return;
            }
        }

        var coding = pool.Take(element, element.Type, concept, null, 0);
        concept.Insert(coding);
        FillCoding(coding, entry, isConstant);
        if (isConstant)
        {
            coding.Keep();
        }
    }

    private void FillCoding(Node coding, CodeEntry entry, bool isConstant)
    {
        Set(coding, "system", entry.System, isConstant);
        Set(coding, "code", entry.Code is null ? null : Primitives.Check(entry.Code, coding.Type["code"].Type, null, out _), isConstant);
        Set(coding, "display", entry.Display, isConstant);
    }

    private static string? TextOf(Node parent, string name) => parent.Find(parent.Type[name], null, 0)?.Text;

    /// <summary>Sets a primitive child, whatever it was before.</summary>
    private void Set(Node parent, string name, string? text, bool isConstant)
    {
        if (string.IsNullOrEmpty(text))
        {
            return;
        }

        var element = parent.Type[name];
        if (parent.Find(element, null, 0) is not { } child)
        {
            child = pool.Take(element, element.Type, parent, null, 0);
            parent.Insert(child);
        }

        child.Text = text;
        if (isConstant)
        {
            child.Keep();
        }
        else
        {
            child.MarkContent();
        }
    }

    /// <summary>
    /// After the map of a coded value: what the table says in the place of the codes that it knows. A first code that it does not know
    /// stays as sent, and is an exception unless it is stated to be of a code system.
    /// </summary>
    private void Recode(CodeTable table, Node node, scoped in Frame frame)
    {
        if (node.Type.Name == "Coding")
        {
            RecodeOne(table, node, isFirst: true, frame);
            return;
        }

        var isFirst = true;
        for (var child = node.First; child is not null; child = child.Next)
        {
            if (child.Element!.Name == "coding" && child.HasContent)
            {
                RecodeOne(table, child, isFirst, frame);
                isFirst = false;
            }
        }
    }

    private void RecodeOne(CodeTable table, Node coding, bool isFirst, scoped in Frame frame)
    {
        if (coding.Find(coding.Type["code"].Order)?.Text is not { } sent)
        {
            return;
        }

        // What a table says of all other codes is nothing about a code of another system; nor is a further code one of the table
        // when it is stated to be of a system that is no table of the standard.
        var system = coding.Find(coding.Type["system"].Order)?.Text;
        var isOfTable = isFirst || system is null || system.StartsWith(CodeSystemNames.V2Tables, StringComparison.Ordinal);
        if (isOfTable && table.TryFind(sent, out var entry) && !(system is not null && table.IsOther(sent)))
        {
            if (entry.Code is null)
            {
                return;
            }

            // The sender's own words for a code that stays the same are the sender's (CWE.2); for another code they may not be true.
            var display = entry.Code == sent ? TextOf(coding, "display") : null;
            FillCoding(coding, entry, isConstant: false);
            Set(coding, "display", display, isConstant: false);
        }
        else if (isFirst && system is null)
        {
            Report(MappingExceptionKinds.UnknownCode, At(frame.Value), $"Table {table.Name} does not have this code: it stays as sent. Map it in the site layer.");
        }
    }
}
