using System.Text;
using Hl7.Fhir.Introspection;
using Hl7.Fhir.Model;
using Hl7.FhirPath;
using Hl7.FhirPath.Expressions;
using Expression = Hl7.FhirPath.Expressions.Expression;

namespace EhrGrains.Fhir.Charts;

/// <summary>
/// Turns the FHIRPath expression of a search parameter into the JSON paths that it means for one resource type: unions, casts and
/// filters, which is all that the definitions of R4 use. What is beyond that gives no path, and the parameter is not offered.
/// </summary>
internal sealed class PathCompiler(string resourceType)
{
    private static readonly ModelInspector Model = ModelInfo.ModelInspector;
    private static readonly FhirPathCompiler Parser = new();

    // A place that an expression has come to; its mapping is null at a primitive's value.
    private sealed record Place(PathStep[] Steps, ClassMapping Mapping, string? Target = null);

    /// <summary>The paths of an expression for the resource type; none when the expression does not speak of it.</summary>
    internal IReadOnlyList<ElementPath> Compile(string expression) =>
    [
        .. Walk(Parser.Parse(expression)).Select(place => new ElementPath(place.Steps, place.Mapping.Name, place.Target)),
    ];

    private IEnumerable<Place> Walk(Expression expression) => expression switch
    {
        BracketExpression bracket => Walk(bracket.Operand),
        BinaryExpression { Op: "|" } union => Walk(Left(union)).Concat(Walk(Right(union))),
        BinaryExpression { Op: "as" } cast => As(Walk(Left(cast)), Right(cast)),
        ChildExpression { Focus: AxisExpression } root => Root(root.ChildName),
        ChildExpression child => Walk(child.Focus).SelectMany(place => Child(place, child.ChildName)),
        FunctionCallExpression { FunctionName: "as" or "ofType" } cast => As(Walk(cast.Focus), cast.Arguments.Single()),
        FunctionCallExpression { FunctionName: "where" } where => Where(Walk(where.Focus), where.Arguments.Single()),
        _ => [],
    };

    private IEnumerable<Place> Root(string name) =>
        name == resourceType || name is "Resource" or "DomainResource" ? [new Place([], Model.FindClassMapping(resourceType)!)] : [];

    // An element with a choice of types has a JSON name for each (R4 json.html): valueQuantity, valueString.
    private static IEnumerable<Place> Child(Place place, string name)
    {
        if (place.Mapping.FindMappedElementByName(name) is not { } element)
        {
            yield break;
        }

        if (element.Choice != ChoiceType.DatatypeChoice)
        {
            yield return Down(place, element.Name, element.PropertyTypeMapping);
            yield break;
        }

        foreach (var type in element.FhirType)
        {
            if (Model.FindOrImportClassMapping(type) is { } mapping)
            {
                yield return Down(place, element.Name + char.ToUpperInvariant(mapping.Name[0]) + mapping.Name[1..], mapping);
            }
        }
    }

    private static Place Down(Place place, string name, ClassMapping mapping) =>
        new([.. place.Steps, new PathStep(Encoding.UTF8.GetBytes(name))], mapping);

    private static IEnumerable<Place> As(IEnumerable<Place> places, Expression type) =>
        Text(type) is { } name ? places.Where(place => place.Mapping.Name == name) : [];

    private static IEnumerable<Place> Where(IEnumerable<Place> places, Expression condition) => condition switch
    {
        BinaryExpression { Op: "is" } test when Left(test) is FunctionCallExpression { FunctionName: "resolve" } => Text(Right(test)) is { } target
            ? places.Select(place => place with { Target = target })
            : [],
        BinaryExpression { Op: "=" } test when Left(test) is ChildExpression child && Text(Right(test)) is { } value =>
            places.Select(place => place with { Steps = [.. place.Steps[..^1], Filtered(place.Steps[^1], child.ChildName, value)] }),
        _ => [],
    };

    private static PathStep Filtered(PathStep step, string name, string value) =>
        step with { FilterName = Encoding.UTF8.GetBytes(name), FilterValue = Encoding.UTF8.GetBytes(value) };

    private static string? Text(Expression expression) => (expression as ConstantExpression)?.Value as string;

    // Firely's own Left and Right are one place off: Left is what the operator is applied in.
    private static Expression Left(BinaryExpression binary) => binary.Arguments.ElementAt(0);

    private static Expression Right(BinaryExpression binary) => binary.Arguments.ElementAt(1);
}
